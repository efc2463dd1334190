"""Options that take several values after them, as a shell writes a wildcard: --against runs/b-0 runs/b-1 runs/b-2."""

from typing import Any

from typer.core import TyperCommand


class ListOptions(TyperCommand):
    """A command whose options that may be given again also take every value that follows them.

    What follows such an option belongs to it up to the next option, once the arguments that are needed are there;
    where an argument itself takes any number of values, those stand before the options.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option before each value that follows it, and read on as usual."""
        options = {name: option for option in self.params if option.param_type_name == "option" for name in option.opts}
        arguments = [argument for argument in self.params if argument.param_type_name == "argument"]
        needed = 0 if any(each.nargs < 0 for each in arguments) else sum(each.required for each in arguments)
        spread: list[str] = []
        several, seen = "", 0
        left = iter(args)
        for word in left:
            if word == "--":
                spread += [word, *left]
            elif word.startswith("-") and not _is_number(word):
                name, equals, _ = word.partition("=")
                option = options.get(name)
                spread.append(word)
                takes_value = option is not None and not getattr(option, "is_flag", False)
                if takes_value and not equals:
                    spread += [value for value in [next(left, None)] if value is not None]
                several = name if takes_value and getattr(option, "multiple", False) else ""
            elif several and seen >= needed:
                spread += [several, word]
            else:
                seen += 1
                spread.append(word)
        return super().parse_args(ctx, spread)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
