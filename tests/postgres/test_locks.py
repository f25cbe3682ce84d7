"""Advisory locks are told apart by their first number alone."""

from postgres import locks


def test_no_number_is_used_twice() -> None:
    numbers = [
        lock if isinstance(lock, int) else lock[0]
        for name, lock in vars(locks).items()
        if name.isupper() and not isinstance(lock, str)
    ]
    assert len(numbers) >= 8
    assert len(set(numbers)) == len(numbers)
    assert all(0 < number < 2**31 for number in numbers)
