"""Whether a shared x times a shared y is a public z: a check that survives a rushing party.

Where n = 2f + 1, a party that speaks last chooses what a sharing of degree 2f opens as. So of the
claim only sharings of degree f are opened, of which all shares must lie on one polynomial and the
honest ones determine it. Of degree 2f is only what a random product is made of, a * b + r, before
a coin is tossed that weighs the claim against it:

    c = (opened a * b + r) - r;   s = coin;   rho = s * x - a;   sigma = y - b
    tau = s * z - c - sigma * a - rho * b - sigma * rho = s * (z - x * y) - (c - a * b)

tau is opened and must be 0. With a forced c and a wrong z one s fits, modulo each prime divisor.
What is opened tells nothing else: a, b and r are uniform, and the polynomials of their sharings.

Source: D. Beaver, "Efficient multiparty protocols using circuit randomization", CRYPTO 1991;
I. Damgard et al., "Practical covertly secure MPC for dishonest majority", ESORICS 2013, section 3
(the check of a product by another, "sacrificing").
"""

from __future__ import annotations

from veilsum.ceremony.sharing import Seeds

__all__ = ["ProductCheck"]


class ProductCheck:
    """One holder's part in the check of one product.

    Args:
        seeds: of the holder.
        purpose: which product; used once in a ceremony.
        modulus: public, without divisors up to l.
        x, y: this holder's shares of the factors, of degree f.
        z: public, what their product should be.
    """

    def __init__(self, seeds: Seeds, purpose: str, modulus: int, x: int, y: int, z: int) -> None:
        self._modulus, self._x, self._y, self._z = modulus, x, y, z
        self._a, self._b, self._r = (
            seeds.random_shares(f"{purpose}/{name}", modulus, 1)[0] for name in ("a", "b", "r")
        )
        degree = 2 * seeds.shape.max_colluding
        [self._zero] = seeds.zero_shares(f"{purpose}/zero", modulus, 1, degree)
        self._c = self._s = 0

    def random_product(self) -> int:
        """A share of a * b + r, of degree 2f."""
        return (self._a * self._b + self._r + self._zero) % self._modulus

    def weigh(self, product: int, coin: int) -> tuple[int, int]:
        """Shares of rho and sigma, of degree f, from what was opened and then tossed."""
        self._c = (product - self._r) % self._modulus
        self._s = coin % self._modulus
        rho, sigma = self._s * self._x - self._a, self._y - self._b
        return rho % self._modulus, sigma % self._modulus

    def difference(self, rho: int, sigma: int) -> int:
        """A share of tau, of degree f, from what was opened."""
        tau = self._s * self._z - self._c - sigma * self._a - rho * self._b - sigma * rho
        return tau % self._modulus
