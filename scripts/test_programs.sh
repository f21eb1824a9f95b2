#!/bin/sh
# The programs that tests run and pip cannot bring: a browser, an SSH server, a database server, shells, and what runs
# programs every few minutes. Installs what is missing where that is possible (Debian's packages, root or sudo);
# otherwise pytest says which tests cannot run.
set -eu

packages=
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
    packages="$packages chromium fonts-dejavu-core"
command -v ssh >/dev/null || packages="$packages openssh-client"
PATH=$PATH:/usr/sbin command -v sshd >/dev/null || packages="$packages openssh-server"
for program in zsh fish busybox dash shellcheck; do
    command -v "$program" >/dev/null || packages="$packages $program"
done
PATH=$PATH:/usr/sbin command -v cron >/dev/null || packages="$packages cron"
command -v systemd-analyze >/dev/null || packages="$packages systemd"
for server in /usr/lib/postgresql/*/bin/postgres "$(command -v postgres || :)"; do
    [ ! -x "$server" ] || has_postgres=yes
done
[ -n "${has_postgres:-}" ] || packages="$packages postgresql"
[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "Not installed, and not to be installed with apt-get:$packages" >&2
    exit 0
fi
if [ "$(id -u)" = 0 ]; then
    as_root=env
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo env"
else
    echo "Not installed, and neither root nor sudo without a password to do it:$packages" >&2
    exit 0
fi

echo "Installing:$packages"
{
    # A server that starts by itself is nobody's wish: the tests start their own, on loopback.
    $as_root apt-get update -qq &&
        $as_root DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends $packages >/dev/null
} || echo "apt-get could not install:$packages" >&2
