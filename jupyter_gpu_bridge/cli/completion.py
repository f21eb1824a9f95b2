"""Scripts that complete the words of `jupyter gpu` and `jupyter-gpu` in a shell."""

from __future__ import annotations

from argparse import ArgumentParser, _SubParsersAction

from jupyter_gpu_bridge.cli.arguments import parser

_BASH = """\
# For bash: jupyter gpu completion bash > ~/.local/share/bash-completion/completions/jupyter-gpu
_jupyter_gpu() {
  local words=("${COMP_WORDS[@]:1:COMP_CWORD-1}") choices path=""
  [ "${COMP_WORDS[0]##*/}" = jupyter ] && { [ "${words[0]}" = gpu ] || return; words=("${words[@]:1}"); }
  for word in "${words[@]:0:2}"; do case "$word" in -*) ;; *) path="$path $word" ;; esac; done
  case "${path# }" in
%(cases)s
    *) choices="" ;;
  esac
  COMPREPLY=($(compgen -W "$choices" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _jupyter_gpu jupyter-gpu jupyter
"""

_ZSH = """\
# For zsh, in ~/.zshrc: eval "$(jupyter gpu completion zsh)"
autoload -U +X bashcompinit && bashcompinit
"""

_FISH = "# For fish: jupyter gpu completion fish > ~/.config/fish/completions/jupyter-gpu.fish\n"


def script(shell: str) -> str:
    words = _words(parser(), ())
    if shell == "fish":
        return _FISH + "".join(_fish(path, choices) for path, choices in words.items())
    cases = "\n".join(f'    "{" ".join(path)}") choices="{" ".join(choices)}" ;;' for path, choices in words.items())
    text = _BASH % {"cases": cases}
    return _ZSH + text.split("\n", 1)[1] if shell == "zsh" else text


def _words(made: ArgumentParser, path: tuple[str, ...]) -> dict[tuple[str, ...], list[str]]:
    """What may follow each word or pair of words."""
    here: list[str] = []
    deeper: dict[tuple[str, ...], list[str]] = {}
    for action in made._actions:
        here += [option for option in action.option_strings if option.startswith("--")]
        if isinstance(action, _SubParsersAction):
            for name, child in action.choices.items():
                here.append(name)
                deeper.update(_words(child, (*path, name)))
        elif action.choices is not None and not action.option_strings:
            here += [str(choice) for choice in action.choices]
    return {path: here, **deeper}


def _fish(path: tuple[str, ...], choices: list[str]) -> str:
    seen = " ".join(path)
    condition = f'test "$(commandline -opc | string match -v -- \'-*\' | tail -n +2 | string join " ")" = "{seen}"'
    lines = []
    for choice in choices:
        option = f"-l {choice[2:]}" if choice.startswith("--") else f"-a {choice}"
        lines.append(f"complete -c jupyter-gpu -n '{condition.replace(chr(39), chr(92) + chr(39))}' {option}\n")
    return "".join(lines)
