"""What is wrong with a set of results: one line for each fault."""

from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Fault:
    check: str
    file: str
    text: str

    def __str__(self):
        return f"{self.check} {self.file}: {self.text}"


@dataclass
class Faults:
    found: list = field(default_factory=list)

    def add(self, check, file, text):
        fault = Fault(check, file, " ".join(str(text).split())[:300])
        if fault not in self.found:
            self.found.append(fault)

    def want(self, right, check, file, text):
        """Notes the text as a fault unless `right`; gives `right` back."""
        if not right:
            self.add(check, file, text)
        return bool(right)
