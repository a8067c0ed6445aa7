"""Speak with the shells that ask for completions.

zsh and fish are served by click. For bash click cannot complete refs: readline breaks words at `@`, `:` and
`=`, so the whole line is read here, and only what readline regards as the word is given back.
"""

from __future__ import annotations

import os

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    shell_complete,
    split_arg_string,
)

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_LIN_COMPLETE"
_BREAKS = "@:="


class Bash(ShellComplete):
    """Completion for bash, from 3.2 on."""

    name = "bash"
    source_template = """\
%(complete_func)s() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case "$line" in
            dir,*) compopt -o dirnames 2>/dev/null ;;
            file,*) compopt -o default 2>/dev/null ;;
            plain,*=) compopt -o nospace 2>/dev/null; COMPREPLY+=("${line#plain,}") ;;
            plain,*) COMPREPLY+=("${line#plain,}") ;;
        esac
    done < <(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" LIN_WORDBREAKS="$COMP_WORDBREAKS" \
%(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null || complete -F %(complete_func)s %(prog_name)s
"""

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor's, and the cursor's up to the cursor."""
        line = os.fsencode(os.environ.get("COMP_LINE", ""))
        line = line[: int(os.environ.get("COMP_POINT") or len(line))]
        text = os.fsdecode(line)
        words = split_arg_string(text)[1:]
        if not words or text[-1:].isspace():
            return words, ""
        return words[:-1], words[-1]

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        """Return candidates without what stands before readline's word."""
        breaks = [c for c in _BREAKS if c in os.environ.get("LIN_WORDBREAKS", _BREAKS)]
        before = max((incomplete.rfind(c) for c in breaks), default=-1) + 1
        found = super().get_completions(args, incomplete)
        return [CompletionItem(item.value[before:], type=item.type) for item in found]

    def format_completion(self, item: CompletionItem) -> str:
        """Return `type,value`."""
        return f"{item.type},{item.value}"


def script(command: click.Command, shell: str) -> str:
    """Return the script that a shell runs to learn to complete `lin`."""
    add_completion_class(Bash)
    speaker = get_completion_class(shell)
    if speaker is None:
        raise click.BadParameter(f"{shell!r} is not one of {', '.join(SHELLS)}")
    return speaker(command, {}, "lin", VARIABLE).source()


def complete(command: click.Command, instruction: str) -> int:
    """Answer a shell's question, which the environment holds; return the exit status."""
    add_completion_class(Bash)
    return shell_complete(command, {}, "lin", VARIABLE, instruction)
