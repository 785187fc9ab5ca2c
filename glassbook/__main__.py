"""`python -m glassbook` is `glassbook`."""

from glassbook.cli import app

if __name__ == "__main__":
    app()
