"""What encrypts many numbers without being an array of them."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NoReturn

__all__ = ["Encrypted"]


class Encrypted:
    """Keeps numpy and Python from taking an object of a subclass for an array or a truth value.

    Without it ``np.array(c)`` builds 64 dimensions of ciphertexts, and ``if c`` and ``c == 5`` have
    answers that say nothing of what is encrypted. Operators stay with the subclass: numpy arrays
    on their left side leave them to it.
    """

    __slots__ = ()
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    #: What to call in place of a function of numpy, by the function's name; "" for any other.
    _IN_PLACE_OF_NUMPY: ClassVar[Mapping[str, str]]

    def __array__(self, dtype: object = None, copy: object = None) -> NoReturn:
        raise TypeError(f"{_name(self)} cannot become an array: {self._IN_PLACE_OF_NUMPY['']}")

    def __array_function__(
        self,
        function: Callable[..., Any],
        types: Iterable[type],
        arguments: tuple[Any, ...],
        options: Mapping[str, Any],
    ) -> NoReturn:
        name = function.__name__
        hint = self._IN_PLACE_OF_NUMPY.get(name, self._IN_PLACE_OF_NUMPY[""])
        raise TypeError(f"numpy.{name} does not take {_name(self)}: {hint}")

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"{_name(self)} has no truth value, since what it holds is encrypted: ask for "
            "`is not None`, or for its length or shape"
        )

    def __eq__(self, other: object) -> bool:
        if other is None:
            return False
        if not isinstance(other, type(self)):
            raise TypeError(
                f"{_name(self)} cannot be compared with {_name(other)}: only what decrypts it "
                "tells what it holds; `==` says whether two are the same ciphertexts, and "
                "`is not None` whether there is one"
            )
        return self._is_same(other)

    def _is_same(self, other: Any) -> bool:
        """Whether an object of the same class has the same ciphertexts."""
        raise NotImplementedError


def _name(thing: object) -> str:
    return type(thing).__name__
