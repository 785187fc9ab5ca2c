"""The last so many entries of one width, the oldest overwritten: what is remembered in hundreds of thousands takes no
more than its bytes."""


class Ring:
    """Of `most` entries of `width` bytes each. Grows as it is filled."""

    def __init__(self, width: int, most: int) -> None:
        self.width = width
        self.most = most
        self._data = bytearray()
        self._oldest = 0  # entries before it in `_data` are newer than those behind

    def __len__(self) -> int:
        return len(self._data) // self.width

    def __getitem__(self, age: int) -> bytes:
        """The newest has age 0. Only below `len`."""
        begins = (self._oldest - 1 - age) % len(self) * self.width
        return bytes(self._data[begins : begins + self.width])

    def append(self, entry: bytes) -> None:
        if len(self) < self.most:
            self._data += entry
            return
        begins = self._oldest * self.width
        self._data[begins : begins + self.width] = entry
        self._oldest = (self._oldest + 1) % self.most

    def extend(self, entries: bytes) -> None:
        """Entries one behind the other, the oldest first."""
        for begins in range(0, len(entries), self.width):
            self.append(entries[begins : begins + self.width])

    def clear(self) -> None:
        self._data.clear()
        self._oldest = 0

    def dump(self) -> bytes:
        """All entries, the oldest first."""
        begins = self._oldest * self.width
        return bytes(self._data[begins:] + self._data[:begins])

    def ages_of(self, part: bytes, at: int) -> list[int]:
        """The ages of the entries that have these bytes at this place, the newest first. O(entries)."""
        entries = self.dump()
        found = []
        begins = entries.find(part)
        while begins >= 0:
            number, place = divmod(begins, self.width)
            if place == at:
                found.append(len(self) - 1 - number)
            begins = entries.find(part, begins + 1)
        return found[::-1]
