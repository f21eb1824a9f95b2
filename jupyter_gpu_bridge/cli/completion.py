"""Scripts that complete the words of `jupyter gpu` and `jupyter-gpu` in a shell.

What `jupyter` completes without us it goes on to complete: only what follows `jupyter gpu` is ours.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jupyter_gpu_bridge.cli.arguments import parser

Place = tuple[str, ...]
"""The words before the one that is completed, without options: `("hosts", "check")`."""

_NAMES: Mapping[Place, str] = {
    ("hosts", "change"): "hosts",
    ("hosts", "check"): "hosts",
    ("hosts", "remove"): "hosts",
    ("profiles", "add"): "profiles",
    ("profiles", "remove"): "profiles",
    ("kernels", "attach"): "kernels",
    ("kernels", "stop"): "kernels",
    ("kernels", "log"): "kernels",
    ("models",): "gpus",
    ("history",): "gpus",
    ("check",): "machines",
    ("keys", "set"): "providers",
    ("keys", "test"): "providers",
    ("keys", "remove"): "providers",
}
_NAMES_AFTER: Mapping[str, str] = {"--machine": "machines", "--gpu": "gpus", "--provider": "clouds"}


@dataclass(slots=True)
class Words:
    """What may be said at one place."""

    flags: list[str] = field(default_factory=list)
    valued: dict[str, Sequence[str]] = field(default_factory=dict)
    """Options that want a value, and the values that there are; none: a file, or anything."""
    plain: list[str] = field(default_factory=list)


def script(shell: str) -> str:
    places = dict(_places(parser(), ()))
    if shell == "fish":
        return _fish(places)
    cases = {"places": _cases(places), "values": _values(places)}
    return (_ZSH if shell == "zsh" else _BASH) % cases


def _places(made: argparse.ArgumentParser, place: Place) -> Iterator[tuple[Place, Words]]:
    words = Words()
    yield place, words
    for action in made._actions:
        choices = [str(choice) for choice in action.choices or ()]
        options = [option for option in action.option_strings if option.startswith("--")]
        if action.help == argparse.SUPPRESS:
            continue
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                words.plain.append(name)
                yield from _places(child, (*place, name))
        elif not options:
            words.plain += choices
        elif action.nargs == 0:
            words.flags += options
        else:
            words.valued.update(dict.fromkeys(options, choices))


# bash and zsh -------------------------------------------------------------------------------------------------------


def _cases(places: Mapping[Place, Words]) -> str:
    lines = []
    for place, words in places.items():
        said = " ".join([*words.plain, *words.flags, *words.valued])
        names = f" names={_NAMES[place]}" if place in _NAMES else ""
        lines.append(f'    "{" ".join(place)}") choices="{said}"{names} ;;')
    return "\n".join(lines)


def _values(places: Mapping[Place, Words]) -> str:
    found = {option: values for words in places.values() for option, values in words.valued.items()}
    lines = []
    for option, values in found.items():
        names = _NAMES_AFTER.get(option, "")
        lines.append(f'    {option}) choices="{" ".join(values)}" names="{names}" ;;')
    return "\n".join(lines)


_BASH = """\
# For bash: jupyter gpu completion bash > ~/.jupyter-gpu.bash, and in ~/.bashrc: . ~/.jupyter-gpu.bash
_jupyter_gpu() {
  local gpu="${COMP_WORDS[0]}" current="${COMP_WORDS[COMP_CWORD]}" previous="" place="" choices="" names="" word count=0
  local words=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
  if [ "${gpu##*/}" = jupyter ]; then gpu="$gpu-gpu" words=("${words[@]:1}"); fi
  for word in "${words[@]}"; do
    previous="$word"
    case "$word" in -*) continue ;; esac
    count=$((count + 1))
    [ "$count" -gt 2 ] || place="$place${place:+ }$word"
  done
  case "$place" in
%(places)s
  esac
  case "$previous" in
%(values)s
  esac
  case " ${words[*]} $current" in # bash makes words of their own of a colon and of what follows
    *" --machine ssh :"*) names=hosts choices="" current="${current#:}" ;;
  esac
  [ -z "$names" ] || choices="$choices $("$gpu" completion --names "$names" 2>/dev/null)"
  COMPREPLY=($(compgen -W "$choices" -- "$current"))
}
_jupyter_gpu_of_jupyter() {
  if [ "$COMP_CWORD" -gt 1 ] && [ "${COMP_WORDS[1]}" = gpu ]; then _jupyter_gpu
  elif [ -n "$_jupyter_gpu_before" ]; then "$_jupyter_gpu_before" "$@"
  elif [ "$COMP_CWORD" = 1 ]; then COMPREPLY=($(compgen -W gpu -- "${COMP_WORDS[1]}"))
  fi
}
complete -o default -F _jupyter_gpu jupyter-gpu
_jupyter_gpu_found="$(complete -p jupyter 2>/dev/null)"
case "$_jupyter_gpu_found" in
  "") complete -o default -F _jupyter_gpu_of_jupyter jupyter ;;
  *"-F _jupyter_gpu_of_jupyter "*) ;;
  *"-F "*) # whatever completes the other words of jupyter goes on to do so
    _jupyter_gpu_before="${_jupyter_gpu_found##*-F }" _jupyter_gpu_before="${_jupyter_gpu_before%%%% *}"
    eval "${_jupyter_gpu_found/-F $_jupyter_gpu_before/-F _jupyter_gpu_of_jupyter}" ;;
esac
"""

_ZSH = """\
# For zsh: jupyter gpu completion zsh > ~/.jupyter-gpu.zsh, and in ~/.zshrc, after compinit: . ~/.jupyter-gpu.zsh
_jupyter_gpu() {
  local gpu="$words[1]" previous="" place="" choices="" names="" found=""
  local -a before
  before=("${(@)words[2,CURRENT-1]}")
  if [[ "${gpu:t}" == jupyter ]]; then gpu="$gpu-gpu"; before=("${(@)before[2,-1]}"); fi
  previous="${before[-1]}"
  before=(${before:#-*})
  place="${(j: :)before[1,2]}"
  case "$place" in
%(places)s
  esac
  case "$previous" in
%(values)s
  esac
  [[ -z "$names" ]] || found="$("$gpu" completion --names "$names" 2>/dev/null)"
  if [[ -z "$choices$found" ]]; then _default; else compadd -- ${=choices} ${(f)found}; fi
}
_jupyter_gpu_of_jupyter() {
  if (( CURRENT > 2 )) && [[ "$words[2]" == gpu ]]; then _jupyter_gpu
  elif [[ -n "$_jupyter_gpu_before" ]]; then "$_jupyter_gpu_before" "$@"
  elif (( CURRENT == 2 )); then compadd -- gpu
  else _default
  fi
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
# Whatever completes the other words of jupyter goes on to do so.
[[ "${_comps[jupyter]}" == _jupyter_gpu_of_jupyter ]] || typeset -g _jupyter_gpu_before="${_comps[jupyter]}"
compdef _jupyter_gpu jupyter-gpu
compdef _jupyter_gpu_of_jupyter jupyter
"""


# fish ---------------------------------------------------------------------------------------------------------------

_FISH = """\
# For fish: jupyter gpu completion fish > ~/.config/fish/conf.d/jupyter-gpu.fish
function __jupyter_gpu_at
    set -l words (commandline -opc)
    if not string match -qr '(^|/)jupyter-gpu$' -- $words[1]
        test "$words[2]" = gpu; or return 1
        set -e words[1]
    end
    set -e words[1]
    set -l place
    for word in $words
        string match -q -- '-*' $word; or set -a place $word
    end
    test "$place[1..2]" = "$argv"
end
function __jupyter_gpu_names
    set -l words (commandline -opc)
    string match -qr '(^|/)jupyter-gpu$' -- $words[1]; or set words[1] $words[1]-gpu
    $words[1] completion --names $argv 2>/dev/null
end
complete -c jupyter -n '__fish_is_nth_token 1' -a gpu
"""


def _fish(places: Mapping[Place, Words]) -> str:
    lines = []
    for place, words in places.items():
        at = f"-n '__jupyter_gpu_at {' '.join(place)}'"
        said = [f"-f -a '{word}'" for word in words.plain]
        said += [f"-f -a '(__jupyter_gpu_names {_NAMES[place]})'"] if place in _NAMES else []
        said += [f"-f -l {flag[2:]}" for flag in words.flags]
        said += [f"-l {option[2:]} {_fish_value(option, values)}" for option, values in words.valued.items()]
        lines += [f"complete -c {command} {at} {each}\n" for command in ("jupyter-gpu", "jupyter") for each in said]
    return _FISH + "".join(lines)


def _fish_value(option: str, values: Sequence[str]) -> str:
    if option in _NAMES_AFTER:
        return f"-x -a '(__jupyter_gpu_names {_NAMES_AFTER[option]})'"
    return f"-x -a '{' '.join(values)}'" if values else "-r"
