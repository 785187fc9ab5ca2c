"""The page's own checks: strict TypeScript and its unit tests, by the locked packages."""

import pytest

from glassbook.page_build import CanNotBuild, install_packages, run


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    try:
        install_packages(with_checks=True)
    except CanNotBuild as error:
        pytest.skip(f"the page's packages can't be had here: {error}")


def test_it_is_well_typed():
    run("node_modules/typescript/bin/tsc")


def test_its_pure_parts():
    run("node_modules/vitest/vitest.mjs", "run", "--reporter=dot")
