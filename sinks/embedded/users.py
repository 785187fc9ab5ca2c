"""Who asks: a program by its token, or an analyst, who needs none and can't write."""

from typing import NamedTuple

from glassbook.clickhouse_keys import BadToken, Role, TokenVerifier
from sinks.embedded.ask import Credentials
from sinks.embedded.errors import ClickHouseError, Code

ANALYST = "default"


class User(NamedTuple):
    name: str
    role: Role


def recognise(credentials: Credentials, verifier: TokenVerifier) -> User:
    """Raises ClickHouseError. There are no passwords: a program has a key.

    As with ClickHouse's users of type `no_password`, it doesn't matter what an analyst sends as one. Java's client
    sends "null" where it was given none.
    """
    if credentials.token:
        try:
            program = verifier.verify(credentials.token)
        except BadToken as error:
            raise ClickHouseError(
                Code.AUTHENTICATION_FAILED, f"Authentication failed: the token is refused: {error}"
            ) from error
        return User(program.name, program.role)
    user = credentials.user or ANALYST
    if user != ANALYST:
        raise ClickHouseError(
            Code.AUTHENTICATION_FAILED,
            f"{user[:60]}: Authentication failed: password is incorrect, or there is no user with such name",
        )
    return User(ANALYST, Role.READER)
