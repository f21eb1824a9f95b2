# shellcheck shell=sh
# Run once by cloud-init, as root, when the machine boots for the first time. Before this come `login` and `start_script`.

set +x # whoever looks on must not see secrets
umask 077

main() {
    # Where the host key is said to lie elsewhere, this is not the system's own server, and nobody else to become.
    # shellcheck disable=SC2154 # it comes before
    if [ -n "${GPU_BRIDGE_HOST_KEY:-}" ] || [ "$(id -u)" -ne 0 ] || ! id "$login" >/dev/null 2>&1; then
        start_script | sh
        return
    fi
    home=$(getent passwd "$login" | cut -d: -f6)
    folder=$(mktemp -d) && chown "$login" "$folder" || return 1
    # The lease belongs to whoever logs in, or the agent could not renew it; only the host key is root's.
    start_script | (cd / && runuser -u "$login" -- env HOME="$home" USER="$login" LOGNAME="$login" \
        GPU_BRIDGE_HOST_KEY="$folder/host_key" sh)
    status=$?
    install_host_key
    rm -rf "$folder"
    return "$status"
}

install_host_key() {
    key=/etc/ssh/ssh_host_ed25519_key
    [ -s "$folder/host_key" ] || return 0
    install -o root -g root -m 600 "$folder/host_key" "$key"
    [ ! -s "$folder/host_key.pub" ] || install -o root -g root -m 644 "$folder/host_key.pub" "$key.pub"
    # One that is not running reads the key when it is started.
    systemctl reload ssh || systemctl reload sshd || :
} 2>/dev/null

main
