# shellcheck shell=sh
# Run once as the machine boots, and harmless when it is run again. Before this come `settings_text`, `daemon_text`,
# `describe_removal`, `host_key_text` and some variables, which say what this machine is told.

set +x # whoever looks on must not see secrets
umask 077

start() {
    install_lease
    is_leased=$?
    # shellcheck disable=SC2154 # it comes before
    [ "$has_host_key" = no ] || install_host_key || say "its host key could not be installed."
    return $is_leased
}

install_lease() {
    find_folder || {
        say "nothing can be written here: there is no lease, and nothing on this machine ends it."
        return 1
    }
    # What another machine has left on a disk that this one was given says nothing about this one.
    # shellcheck disable=SC2154
    if [ -r "$dir/settings" ] && ! grep -qxF "name=$name" "$dir/settings"; then
        rm -f "$dir/settings" "$dir/state" "$dir/grant" "$dir/die" "$dir/busy" "$dir/homes"
    fi
    step=0 removal='' lacking='' tokens=''
    describe_removal
    # From here on they are in files of ours only, not in the environment of whatever is started.
    for each in $tokens; do unset "$each"; done
    if ! daemon_text | write daemon.sh || ! write_settings; then
        say "the lease could not be written."
        return 1
    fi
    detach sh "$dir/daemon.sh" "$dir" supervise
    wait_for_daemon
}

# Who runs this again by hand may lack what the cloud told us the first time.
write_settings() {
    if [ -n "$lacking" ] && [ -s "$dir/settings" ]; then return 0; fi
    { settings_text && printf '%s' "$removal"; } | write settings
}

# FOLDER is GPU_BRIDGE_LEASE_DIR, or in the home, or failing that among what is temporary.
find_folder() {
    user=$(id -u)
    home=${HOME:-}
    [ -n "$home" ] || eval "home=~$(id -un)"
    for dir in "${GPU_BRIDGE_LEASE_DIR:-$home/.jupyter-gpu-bridge/lease}" \
        "${TMPDIR:-/tmp}/jupyter-gpu-bridge-$user/lease" "/tmp/jupyter-gpu-bridge-$user/lease"; do
        case $dir in
            */.jupyter-gpu-bridge/lease | */jupyter-gpu-bridge-"$user"/lease) is_ours "${dir%/*}" ;;
        esac && is_ours "$dir" && return 0
        say "nothing can be written in $dir."
    done
    return 1
}

# FOLDER: made if need be; whether it is ours alone and takes what we write.
is_ours() {
    mkdir -p "$1" 2>/dev/null
    if [ ! -d "$1" ] || [ -h "$1" ]; then return 1; fi
    # shellcheck disable=SC2012,SC2046 # its words: mode, links, owner
    set -- "$1" $(ls -ldn "$1" | tr '*?[' '___')
    [ "$4" = "$user" ] && chmod 700 "$1" 2>/dev/null && echo >"$1/try.$$" && rm "$1/try.$$"
} 2>/dev/null

# METHOD URL TOKEN_VARIABLE TOKEN_FILE BODY: one step of the removal; {NAME} in URL and body stands for a variable.
step_call() {
    url='' token_file="'$4'"
    if fill "$2"; then url=$filled; fi
    if [ -z "$url" ] || ! fill "${5-}"; then
        lacking=yes
        return
    fi
    step=$((step + 1))
    if [ -n "$3" ]; then
        find_value "$3"
        token_file="\"\$dir\"/token-$step"
        # A run that is given none, after one that was, leaves what is there.
        if [ -n "$found" ]; then printf '%s\n' "$found" | write "token-$step"; fi
        [ -s "$dir/token-$step" ] || {
            lacking=yes
            say "it does not know its $3, which its removal needs."
        }
        found='' tokens="$tokens $3"
    fi
    removal="${removal}removal_$step=call method_$step=$1 url_$step='$url' token_file_$step=$token_file body_$step='$filled'
"
    has curl || has wget || has python3 || has python || say "there is neither curl nor wget nor Python to call $url."
}

# TEXT: sets `filled`. A brace that no name follows stands for itself, as in JSON. Fails when a variable is not known.
fill() {
    filled='' rest=$1
    while :; do
        case $rest in *"{"*) ;; *) break ;; esac
        filled=$filled${rest%%"{"*} rest=${rest#*"{"}
        case ${rest%%"}"*} in
            '' | *[!A-Za-z0-9_]*)
                filled="$filled{"
                continue
                ;;
        esac
        find_value "${rest%%"}"*}"
        case $found in
            '' | *[!A-Za-z0-9:/._~%@-]*)
                say "it does not know its ${rest%%"}"*}, so it cannot ask to be removed."
                return 1
                ;;
        esac
        filled=$filled$found rest=${rest#*"}"}
    done
    filled=$filled$rest
}

step_poweroff() {
    step=$((step + 1))
    removal="${removal}removal_$step=poweroff
"
}

# NAME: sets `found`, from our environment, or from that of the first process, where some clouds alone put it.
find_value() {
    eval "found=\${$1-}"
    if [ -z "$found" ] && [ -r /proc/1/environ ]; then
        found=$(tr '\0\n' '\n ' 2>/dev/null </proc/1/environ | sed -n "s/^$1=//p" | head -n 1)
    fi
}

wait_for_daemon() {
    looks=40
    while [ "$looks" -gt 0 ]; do
        # One of an earlier boot may have left its lock.
        read -r pid _ 2>/dev/null <"$dir/daemon.lock" && kill -0 "$pid" 2>/dev/null && [ -s "$dir/state" ] && return 0
        # Some can only wait for whole seconds.
        if sleep 0.05 2>/dev/null; then looks=$((looks - 1)); else sleep 1; looks=$((looks - 4)); fi
    done
    say "the lease has been installed in $dir, and does not run."
    return 1
}

install_host_key() {
    key=${GPU_BRIDGE_HOST_KEY:-/etc/ssh/ssh_host_ed25519_key}
    mkdir -p "${key%/*}"
    if [ -r "$key" ] && [ "$(cat "$key")" = "$(host_key_text)" ]; then return 0; fi
    host_key_text >"$key.new" && chmod 600 "$key.new" || return 1
    if [ -n "$public_host_key" ]; then
        printf '%s\n' "$public_host_key" >"$key.pub.new"
    else
        ssh-keygen -y -f "$key.new" >"$key.pub.new" || rm -f "$key.pub.new" "$key.pub"
    fi
    [ ! -e "$key.pub.new" ] || { chmod 644 "$key.pub.new" && mv -f "$key.pub.new" "$key.pub"; }
    mv -f "$key.new" "$key" && reload_sshd
} 2>/dev/null

# A server that starts later reads the key anyway. With a key elsewhere, the usual server of this computer is not meant.
reload_sshd() {
    if [ -n "${GPU_BRIDGE_SSHD_PID_FILE:-}" ]; then
        hang_up "$GPU_BRIDGE_SSHD_PID_FILE"
    elif [ -z "${GPU_BRIDGE_HOST_KEY:-}" ]; then
        hang_up /run/sshd.pid || hang_up /var/run/sshd.pid || systemctl reload ssh || systemctl reload sshd
    fi
    return 0
}

hang_up() {
    read -r pid <"$1" || return 1
    # The file may be older than this boot, and the number somebody else's.
    [ ! -r "/proc/$pid/comm" ] || [ "$(cat "/proc/$pid/comm")" = sshd ] || return 1
    kill -HUP "$pid"
}

# NAME: from standard input, whole or not at all.
write() {
    cat >"$dir/$1.$$" && [ -s "$dir/$1.$$" ] && mv -f "$dir/$1.$$" "$dir/$1"
}

detach() {
    if has setsid; then set -- setsid "$@"; fi
    "$@" </dev/null >/dev/null 2>&1 &
}

has() {
    command -v "$1" >/dev/null 2>&1
}

say() {
    printf 'jupyter-gpu-bridge: %s\n' "$*" >&2
}

start
