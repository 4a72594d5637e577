"""Plans and drawings, as the tests of ``inspect`` have them."""

from tests.inspected import inspected  # noqa: F401
