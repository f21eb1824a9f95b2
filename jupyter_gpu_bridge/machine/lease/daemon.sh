#!/bin/sh
# The lease of a rented machine, kept on the machine itself: when nobody says any more that it may live, it saves what
# there is to save, stops the kernels, and ends the machine, trying for ever.
#
#   daemon.sh FOLDER supervise    starts the daemon, again whenever it has ended
#   daemon.sh FOLDER run          the daemon
#
# What others put into the folder (only the first line of a file counts):
#   settings    what the start script knows
#   grant       "1 SERIAL SECONDS EXTRA": it may live so long from now on, and its deadline has been put off by EXTRA
#               seconds in all; newer versions may say more behind that
#   die         that it is there is enough: end now, and save nothing
#   busy        "1 BEAT busy" or "1 BEAT idle"; a beat that stays the same means that nobody is there to tell
#   homes       the folders of agents, whose kernels are stopped in the end
#   save-hook   is run before the end
# What this puts there: state, log, daemon.lock, supervisor.lock.
#
# All time is the time since the boot, suspends included (CLOCK_BOOTTIME), so no change of the date matters.

set -u
LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
umask 077
trap '' HUP INT

dir=$1

first_lease=1200 hard_limit=28800 grace=120 when_busy=finish
tick=2 state_every=10 busy_ticks=30 kernel_patience=10 retry_first=30 retry_last=900 call_time=30
pause_with=sleep clock='' boot_id=/proc/sys/kernel/random/boot_id
kind='' method='' url='' token_file='' body=''
# shellcheck source=/dev/null
[ ! -r "$dir/settings" ] || . "$dir/settings"

run() {
    hold daemon || exit 3
    spare_us
    read_tokens
    choose_clock
    take_up
    ticks=0
    while holds daemon; do
        look
        case $phase in
            living | overtime) live ;;
            saving) save ;;
        esac
        keep_state
        [ "$phase" != ending ] || end
        ticks=$((ticks + 1))
        [ $((ticks % 5)) -ne 0 ] || is_held supervisor || detach sh "$dir/daemon.sh" "$dir" supervise
        "$pause_with" "$tick" || sleep 1
    done
    exit 3
}

supervise() {
    hold supervisor || exit 0
    spare_us
    while holds supervisor; do
        sh "$dir/daemon.sh" "$dir" run
        # 3: there is another one already.
        if [ $? -eq 3 ]; then "$pause_with" 5; else "$pause_with" 1; fi
    done
}

# what is known -------------------------------------------------------------------------------------------------------

take_up() {
    lease_end='' hard_end='' seen='' serial=- phase='' save_until=0 hook_pid=- hook_start=- extra=0
    find_boot
    boot_before=$boot
    read -r _ boot_before lease_end hard_end seen serial phase save_until hook_pid hook_start extra _ 2>/dev/null <"$dir/state"
    is_number "$extra" || extra=0
    if ! all_numbers "$lease_end" "$hard_end" "$seen" "$save_until" || [ -z "$hook_start" ]; then
        seen=0 serial=- phase=living save_until=0 hook_pid=- hook_start=- extra=0
        look_at_clock
        lease_end=$((now + first_lease)) hard_end=$((now + hard_limit))
        note "The machine may live $first_lease s for a start, and $hard_limit s at the most."
    else
        look_at_clock
        if [ "$boot" != "$boot_before" ] || [ "$now" -lt "$seen" ]; then
            note "The machine has been started again."
            count_from_here
        fi
        note "Taken up again ($phase): $((lease_end - now)) s are left."
    fi
    case $phase in living | overtime | saving | ending) ;; *) phase=living ;; esac
    [ "$lease_end" -le "$hard_end" ] || lease_end=$hard_end
    seen=$now kept=0 dirty=yes beat='' quiet=$busy_ticks
    # Who was busy just now is asked again, instead of being ended for our own absence.
    read -r _ _ word _ 2>/dev/null <"$dir/busy" && [ "$word" = busy ] && quiet=0
    [ "$phase" != ending ] || begin_ending "That was begun before."
}

# The clock began anew. What was left when we looked last is left now, and no second more.
count_from_here() {
    for each in "$lease_end" "$hard_end" "$save_until"; do
        each=$((now + each - seen - state_every))
        [ "$each" -ge "$now" ] || each=$now
        set -- "$@" "$each"
    done
    lease_end=$1 hard_end=$2 save_until=$3
    seen=$now dirty=yes
}

keep_state() {
    [ -n "$dirty" ] || [ $((now - kept)) -ge "$state_every" ] || return 0
    line="1 $boot $lease_end $hard_end $now $serial $phase $save_until $hook_pid $hook_start $extra"
    if { printf '%s\n' "$line" >"$dir/state.new" && mv -f "$dir/state.new" "$dir/state"; } 2>/dev/null ||
        # The disk is full: what is there already can still be written over.
        { [ -s "$dir/state" ] && printf '%s\n' "$line" 1<>"$dir/state"; } 2>/dev/null; then
        kept=$now dirty=''
    fi
}

look() {
    look_at_clock
    [ "$now" -ge "$seen" ] || count_from_here
    seen=$now
    read_busy
    [ "$phase" != ending ] || return 0
    if [ -e "$dir/die" ]; then
        begin_ending "It was told to end."
    else
        read_grant
    fi
}

read_grant() {
    new_serial='' seconds='' new_extra=''
    read -r _ new_serial seconds new_extra _ 2>/dev/null <"$dir/grant" || return 0
    if [ "$new_serial" = "$serial" ] || ! is_number "$seconds"; then return 0; fi
    serial=$new_serial lease_end=$((now + seconds)) dirty=yes
    # All that the deadline was ever put off by, so that a grant which is read twice puts nothing off.
    if is_number "$new_extra" && [ "$new_extra" -gt "$extra" ]; then
        hard_end=$((hard_end + new_extra - extra)) extra=$new_extra
        note "Its deadline was put off: it may live $((hard_end - now)) s at the most."
    fi
    [ "$lease_end" -le "$hard_end" ] || lease_end=$hard_end
    find_last_call
    if [ "$phase" != living ] && [ "$lease_end" -gt "$now" ] && [ "$last_call" -gt "$now" ]; then
        phase=living
        note "Somebody is back: it may live $((lease_end - now)) s."
    fi
}

# Counted in looks, not in seconds: after a suspend whoever tells needs a moment as well.
read_busy() {
    quiet=$((quiet + 1))
    new_beat='' word=''
    read -r _ new_beat word _ 2>/dev/null <"$dir/busy" || return 0
    [ "$new_beat" != "$beat" ] || return 0
    beat=$new_beat
    [ "$word" != busy ] || quiet=0
}

# what follows --------------------------------------------------------------------------------------------------------

live() {
    find_last_call
    if [ "$now" -ge "$last_call" ]; then
        begin_saving "It has reached its deadline."
    elif [ "$now" -lt "$lease_end" ]; then
        phase=living
    elif [ "$when_busy" = finish ] && [ "$quiet" -lt "$busy_ticks" ]; then
        [ "$phase" = living ] || return 0
        phase=overtime dirty=yes
        note "Its lease has run out; a kernel is busy, so it goes on, at the most for $((last_call - now)) s."
    else
        begin_saving "Its lease has run out."
    fi
}

# Saving has to be over when the deadline comes: it is what the largest bill is reckoned with.
find_last_call() {
    last_call=$hard_end
    [ ! -x "$dir/save-hook" ] || last_call=$((hard_end - grace))
}

begin_saving() {
    save_until=$((now + grace))
    [ "$save_until" -le "$hard_end" ] || save_until=$hard_end
    if [ -x "$dir/save-hook" ] && [ "$save_until" -gt "$now" ]; then
        phase=saving dirty=yes
        note "$1 Saving, for $((save_until - now)) s at the most."
        start_hook
    else
        begin_ending "$1"
    fi
}

start_hook() {
    ! is_same "$hook_pid" "$hook_start" || return 0
    rm -f "$dir/save-code"
    # shellcheck disable=SC2016 # for the shell that is started
    set -- sh -c '
        { echo 0 >/proc/self/oom_score_adj; } 2>/dev/null
        cd "${HOME:-/}" 2>/dev/null || cd /
        { "$1/save-hook"; echo "$?" >"$1/save-code"; } 2>&1 | tail -c 8192 >"$1/save-log"' sh "$dir"
    if has setsid; then set -- setsid "$@"; fi
    "$@" </dev/null >/dev/null 2>&1 &
    hook_pid=$! hook_start=-
    ! find_start "$hook_pid" || hook_start=$started
}

save() {
    if ! is_same "$hook_pid" "$hook_start"; then
        code=unknown
        read -r code 2>/dev/null <"$dir/save-code"
        begin_ending "The save hook has ended with $code."
    elif [ "$now" -ge "$save_until" ]; then
        kill -9 "-$hook_pid" 2>/dev/null || kill -9 "$hook_pid" 2>/dev/null
        begin_ending "The save hook took too long and was cut."
    fi
}

begin_ending() {
    phase=ending dirty=yes
    ending_since=$now next_try=$now pause=$retry_first rounds=0
    note "$1 Ending the machine."
}

end() {
    stop_kernels
    [ "$now" -ge "$next_try" ] || return 0
    rounds=$((rounds + 1))
    remove_machine
    look_at_clock
    spread "$pause"
    next_try=$((now + spread)) pause=$((pause * 2))
    [ "$pause" -le "$retry_last" ] || pause=$retry_last
    note "Should the machine still be there, that is tried again in $spread s."
}

# Keepers end their kernels when they are asked to; after a while nobody is asked any more.
stop_kernels() {
    stop_kernels_in "${dir%/*}"
    [ -r "$dir/homes" ] || return 0
    while read -r home; do
        [ "$home" = "${dir%/*}" ] || stop_kernels_in "$home"
    done <"$dir/homes"
}

stop_kernels_in() {
    for pids in "$1"/kernels/*/pids; do
        read -r keeper keeper_start kernel kernel_start _ 2>/dev/null <"$pids" || continue
        if [ $((now - ending_since)) -lt "$kernel_patience" ]; then
            ! is_same "$keeper" "$keeper_start" || kill -15 "$keeper" 2>/dev/null
        else
            ! is_same "$keeper" "$keeper_start" || kill -9 "$keeper" 2>/dev/null
            ! is_same "$kernel" "$kernel_start" || kill -9 "-$kernel" 2>/dev/null
        fi
    done
}

# the end -------------------------------------------------------------------------------------------------------------

# The steps in their order up to the first that seems to work; if it did not after all, every one of them.
remove_machine() {
    step=1
    while :; do
        eval "kind=\${removal_$step-} method=\${method_$step-} url=\${url_$step-}"
        eval "token_file=\${token_file_$step-} body=\${body_$step-}"
        case $kind in
            call) call && [ "$rounds" -eq 1 ] && return ;;
            poweroff) power_off && [ "$rounds" -eq 1 ] && return ;;
            *) break ;;
        esac
        step=$((step + 1))
    done
    [ "$step" -gt 1 ] || note "Nothing is known here that ends this machine."
}

call() {
    eval "token=\${token_$step-}"
    [ -z "$token_file" ] || read -r token 2>/dev/null <"$token_file"
    answer=000
    for with in curl wget python; do
        "call_with_$with" 2>/dev/null
        case $answer in
            [1-9][0-9][0-9]) break ;;
            *) answer=000 ;;
        esac
    done
    [ "$answer" != 000 ] || with='anything that can send it, or there is no such thing'
    note "$method ${url%%\?*}: $answer (with $with)."
    case $answer in 2?? | 404 | 410) return 0 ;; *) return 1 ;; esac
}

# The token goes through pipes and files of ours: everybody on the machine can read the arguments of a process.
call_with_curl() {
    has curl || return 1
    set --
    [ -z "$body" ] || set -- --header 'Content-Type: application/json' --data-binary "$body"
    answer=$({
        printf 'url = "%s"\nrequest = "%s"\n' "$url" "$method"
        [ -z "$token" ] || printf 'header = "Authorization: Bearer %s"\n' "$token"
    } | boxed curl -q --silent --globoff --max-time "$call_time" --output /dev/null --write-out '%{http_code}' \
        "$@" --config -)
}

call_with_wget() {
    has wget || return 1
    case $(wget --help 2>&1) in *--method*) ;; *) return 1 ;; esac
    {
        [ -z "$token" ] || printf 'header = Authorization: Bearer %s\n' "$token"
    } >"$dir/wgetrc" || return 1
    set --
    [ -z "$body" ] || set -- --header='Content-Type: application/json' --body-data="$body"
    answer=$(boxed wget --config="$dir/wgetrc" -nv --server-response -O /dev/null --method="$method" --timeout="$call_time" \
        --tries=1 --max-redirect=0 "$@" "$url" 2>&1 | sed -n 's,^ *HTTP/[0-9.]* \([0-9][0-9][0-9]\).*,\1,p' | tail -n 1)
    rm -f "$dir/wgetrc"
}

call_with_python() {
    for python in python3 python /opt/conda/bin/python3; do
        has "$python" || continue
        answer=$(printf '%s' "$token" | boxed "$python" -I -c '
import sys
from urllib import error, request

class Stay(request.HTTPRedirectHandler):
    def redirect_request(self, *what):
        return None

method, url, seconds, body = sys.argv[1:]
call = request.Request(url, body.encode() or None, method=method)
if body:
    call.add_header("Content-Type", "application/json")
token = sys.stdin.read()
if token:
    call.add_header("Authorization", "Bearer " + token)
try:
    print(request.build_opener(Stay).open(call, timeout=float(seconds)).status)
except error.HTTPError as answer:
    print(answer.code)
' "$method" "$url" "$call_time" "$body")
        [ -z "$answer" ] || return 0
    done
}

# Within its time, and without the libraries of some environment that was meant for other programs.
boxed() (
    unset LD_LIBRARY_PATH LD_PRELOAD
    if has timeout; then set -- timeout $((call_time + 5)) "$@"; fi
    exec "$@"
)

power_off() {
    note "Switching the machine off."
    sync &
    { poweroff || systemctl poweroff || shutdown -h now; } >/dev/null 2>&1
}

# Now, while they can be read for certain.
read_tokens() {
    step=1
    while eval "[ -n \"\${removal_$step-}\" ]"; do
        eval "token_$step='' token_file=\${token_file_$step-}"
        [ -z "$token_file" ] || read -r "token_$step" 2>/dev/null <"$token_file"
        step=$((step + 1))
    done
}

# time ----------------------------------------------------------------------------------------------------------------

choose_clock() {
    if [ -n "$clock" ]; then return; fi
    if [ -r /proc/uptime ]; then
        clock=/proc/uptime
    elif seconds_since_boot >/dev/null 2>&1; then
        clock=sysctl
    else
        clock=ticks
    fi
}

look_at_clock() {
    now=
    case $clock in
        /*) read -r now _ 2>/dev/null <"$clock" ;;
        sysctl) now=$(seconds_since_boot 2>/dev/null) ;;
    esac
    now=${now%%.*}
    # Where there is no clock, the pauses between two looks are counted: less than what has passed would cost money.
    is_number "$now" || now=$((seen + ${tick%%.*} + 1))
}

# Of BSD and macOS, whose time of the boot is changed together with the date.
seconds_since_boot() {
    booted=$(sysctl -n kern.boottime | sed 's/^{ sec = \([0-9]*\),.*/\1/')
    is_number "$booted" && echo $(($(date +%s) - booted))
}

find_boot() {
    boot=
    read -r boot 2>/dev/null <"$boot_id" || boot=$(sysctl -n kern.bootsessionuuid 2>/dev/null)
    boot=${boot:-unknown}
}

# 80 to 120 percent of it, so that many machines do not ask at the same moment.
spread() {
    random=$(od -An -N2 -tu2 /dev/urandom 2>/dev/null | tr -d ' \n')
    is_number "$random" || random=$$
    spread=$(($1 * (80 + random % 41) / 100))
    [ "$spread" -ge 1 ] || spread=1
}

# one at a time -------------------------------------------------------------------------------------------------------

# Sets `started`, which tells a process from a later one of the same number; fails when it is gone.
find_start() {
    started=
    is_number "$1" || return 1
    if [ -r /proc/self/stat ]; then
        read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
        stat=${stat##*) }
        case $stat in Z* | X*) return 1 ;; esac
        # shellcheck disable=SC2086 # its words
        set -- $stat
        shift 19
        started=$1
    else
        started=$(ps -o lstart= -p "$1" 2>/dev/null | tr -s ' ' _)
        [ -n "$started" ]
    fi
}

is_same() {
    find_start "$1" && [ "$started" = "$2" ]
}

is_held() {
    holder='' holder_start=''
    read -r holder holder_start _ 2>/dev/null <"$dir/$1.lock"
    is_same "$holder" "$holder_start"
}

# Made by a link, which only one can make; where nothing can be written, everybody holds it.
hold() {
    ! is_held "$1" || return 1
    lock=$dir/$1.lock own=$dir/$1.$$
    if mv "$lock" "$own" 2>/dev/null; then
        read -r mover mover_start _ 2>/dev/null <"$own"
        if [ "$mover $mover_start" != "$holder $holder_start" ]; then
            # Somebody has been quicker, and this is theirs.
            ln "$own" "$lock" 2>/dev/null || mv "$own" "$lock"
            rm -f "$own"
            return 1
        fi
    fi
    find_start $$
    { printf '%s %s\n' $$ "$started" >"$own"; } 2>/dev/null
    ln "$own" "$lock" 2>/dev/null || { [ ! -e "$lock" ] && { mv "$own" "$lock" 2>/dev/null || :; }; }
    is_lost=$?
    rm -f "$own"
    return $is_lost
}

# Also when the lock is lost, with the whole folder perhaps: then nobody else can have taken it.
holds() {
    ! is_held "$1" || [ "$holder" = $$ ]
}

# odds and ends -------------------------------------------------------------------------------------------------------

note() {
    # Never larger than this twice, whatever happens for however long.
    size=$(wc -c 2>/dev/null <"$dir/log")
    [ "$((${size:-0}))" -lt 65536 ] || mv -f "$dir/log" "$dir/log.before" 2>/dev/null
    { printf '%s [%s] %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$now" "$1" >>"$dir/log"; } 2>/dev/null
}

# When memory runs out, others are killed first, where we may ask for that.
spare_us() {
    { echo -1000 >/proc/self/oom_score_adj; } 2>/dev/null
}

detach() {
    if has setsid; then set -- setsid "$@"; fi
    "$@" </dev/null >/dev/null 2>&1 &
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# Without leading zeros, which would make it octal, and not so large that counting with it overflows.
is_number() {
    case $1 in '' | *[!0-9]* | 0?* | ?????????????*) return 1 ;; esac
}

all_numbers() {
    for each; do is_number "$each" || return 1; done
}

case ${2-} in
    run | supervise) "$2" ;;
    *) echo "daemon.sh FOLDER supervise|run" >&2 && exit 2 ;;
esac
