"""What a checker raises: an invariant of DESIGN.md section 7 did not hold."""


class Breach(Exception):
    """`check` names the invariant, `text` says in one line what happened."""

    def __init__(self, check: str, text: str) -> None:
        super().__init__(f"{check}: {text}")
        self.check = check
        self.text = text

    def __reduce__(self) -> tuple[type["Breach"], tuple[str, str]]:
        return Breach, (self.check, self.text)
