"""Encrypted numbers refuse what Paillier cannot compute, and say what to do instead."""

from typing import ClassVar, NoReturn

from veilsum.paillier.encrypted import Encrypted

__all__ = ["NO_PRODUCT", "LinearOnly"]

NO_PRODUCT = (
    "two encrypted numbers cannot be multiplied or divided under Paillier: multiply by plain "
    "numbers, or decrypt one of the two"
)


class LinearOnly(Encrypted):
    """Is added, and multiplied by plain numbers. All else is refused by name."""

    __slots__ = ()
    _IN_PLACE_OF_NUMPY: ClassVar = {
        "": "call its own operators and methods (x + y, x * 0.5, x.sum(axis=0), W @ x, x[::2], "
        "EncryptedFloats.concatenate([x, y])), or decrypt_floats first; with a scipy.sparse matrix "
        "S write x @ S, and x @ S.T for S @ x",
        **dict.fromkeys(("sum", "nansum"), "call x.sum(axis=0) or x.sum()"),
        **dict.fromkeys(("mean", "average"), "call x.mean(axis=0) or x.mean()"),
        **dict.fromkeys(("cumsum", "diff"), "add and subtract slices: x[1:] - x[:-1]"),
        **dict.fromkeys(("dot", "inner", "vdot", "tensordot", "einsum", "matmul"), "write W @ x"),
        **dict.fromkeys(
            ("concatenate", "append", "hstack", "vstack", "stack", "column_stack"),
            "call EncryptedFloats.concatenate([x, y]), which joins along the first axis",
        ),
        **dict.fromkeys(
            ("save", "savez", "savez_compressed", "savetxt"),
            "write x.to_bytes() to a file, which EncryptedFloats.from_bytes reads",
        ),
        **dict.fromkeys(
            ("take", "compress", "roll", "flip", "repeat", "tile", "transpose"),
            "index it as an array: x[::-1], x[[0, 0, 2]], x[mask], x[:, None]",
        ),
        **dict.fromkeys(("reshape", "ravel"), "call x.reshape(rows, columns), or x.reshape(-1)"),
        **dict.fromkeys(("bincount", "histogram"), "call x.group_sum(groups, num_groups)"),
        **dict.fromkeys(("array_equal", "array_equiv", "allclose", "isclose"), "decrypt first"),
        "shape": "ask for x.shape",
        "ndim": "ask for x.ndim",
        "size": "ask for x.size",
    }

    def _refuse_order(self, other: object) -> NoReturn:
        raise TypeError("encrypted floats cannot be compared: decrypt them, or their difference")

    __lt__ = __le__ = __gt__ = __ge__ = _refuse_order

    def __rtruediv__(self, other: object) -> NoReturn:
        raise TypeError(NO_PRODUCT)

    def _refuse_nonlinear(self, *others: object) -> NoReturn:
        raise TypeError(
            "under Paillier encrypted floats are added, and multiplied by plain numbers; all else, "
            "such as powers, magnitudes, remainders and rounding, takes decrypt_floats first"
        )

    __abs__ = __pow__ = __rpow__ = __floordiv__ = __rfloordiv__ = _refuse_nonlinear
    __mod__ = __rmod__ = __round__ = _refuse_nonlinear

    def _refuse_number(self) -> NoReturn:
        raise TypeError("what is encrypted is no plain number: decrypt_floats makes an array of it")

    __float__ = __int__ = __complex__ = _refuse_number
