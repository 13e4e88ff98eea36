# tools/setup.sh - sourced by run.sh and test.sh: installs the Debian packages that are missing, and builds.
# Needs root (or sudo) only when something is missing.

packages_run="gcc libc6-dev meson ninja-build pkg-config xz-utils
    libck-dev libnuma-dev libmsgpack-dev libisal-dev libxxhash-dev libcyaml-dev libyaml-dev libjansson-dev libcmocka-dev
    libssl-dev liblzma-dev zlib1g-dev libraft-dev libzstd-dev"
packages_test="$packages_run iproute2 g++ clang clang-format libclang-rt-14-dev binutils python3 git man-db valgrind"

# install_missing PACKAGE... - asks dpkg first, so that a prepared machine needs neither root nor a network.
install_missing() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || {
            echo "Missing packages: ${missing[*]}. Run this as root, or install them first." >&2
            return 1
        }
        as_root=(sudo)
    fi
    echo "Installing ${#missing[@]} packages: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
        >/tmp/pitline-apt.$$ 2>&1 || {
        cat /tmp/pitline-apt.$$ >&2
        echo "apt-get could not install: ${missing[*]}" >&2
        rm -f /tmp/pitline-apt.$$
        return 1
    }
    rm -f /tmp/pitline-apt.$$
}

# build DIR [MESON OPTION...] - configures DIR once and builds it; the compiler is taken from CC.
build() {
    local dir=$1
    shift
    if [ ! -f "$dir/build.ninja" ]; then
        meson setup "$dir" "$@" >"$dir.setup.log" 2>&1 || {
            cat "$dir.setup.log" >&2
            return 1
        }
        rm -f "$dir.setup.log"
    fi
    ninja -C "$dir" >"$dir.build.log" 2>&1 || {
        tail -n 60 "$dir.build.log" >&2
        return 1
    }
    rm -f "$dir.build.log"
}
