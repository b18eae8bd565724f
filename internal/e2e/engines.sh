#!/usr/bin/env bash
# engines.sh [TESTS]: the end-to-end tests, or those that the expression names, on several
# Docker Engines: Debian 12's and 13's, each on its own Debian, and the newest, built from
# its module, on Debian 13. Prints a table for docs/clients.md; what each run said is in
# bin/engines/NAME.log. Needs root.
#
#   ENGINES   where the two systems are, some GB; not in the checkout, as they hold Go files
#   MIRROR    of Debian
set -euo pipefail
tests=${1:-.}
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
dir=$top/bin/engines
roots=${ENGINES:-/var/tmp/ecr-refreshd-engines}
newest=v2.0.0-beta.24 # of github.com/moby/moby/v2
mirror=${MIRROR:-http://deb.debian.org/debian}
[ "$(id -u)" = 0 ] || { echo 'engines.sh: needs root; sudo make engines' >&2; exit 1; }
command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap >/dev/null; }
mkdir -p "$dir/newest" "$roots"

# debian SUITE: a Debian with what a newcomer has, made once.
debian() {
	local root=$roots/$1
	if [ ! -e "$root/.ready" ]; then
		echo "making Debian $1 in $root, once" >&2
		rm -rf --one-file-system "$root"
		debootstrap --variant=minbase --include=git,make,ca-certificates "$1" "$root" "$mirror" >"$dir/$1.debootstrap" 2>&1 ||
			{ tail -5 "$dir/$1.debootstrap" >&2 && return 1; }
		touch "$root/.ready"
	fi
	# How this host reaches its mirrors, proxies and certificates included, is how its guest does.
	apt-config dump Acquire >"$root/etc/apt/apt.conf.d/90host"
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
}

# within SUITE COMMAND...: runs it there, in this checkout, with this host's Go and what Go has
# downloaded and built, mounts and processes of its own, and the host's network.
within() {
	root=$roots/$1 top=$top goroot=$(go env GOROOT) modules=$(go env GOMODCACHE) cache=$(go env GOCACHE) \
		proxy=$(go env GOPROXY) unshare --mount --pid --fork --kill-child --propagation private bash -euc '
		mount --bind "$root" "$root"
		for shared in "$top" "$goroot" "$modules" "$cache"; do
			mkdir -p "$root$shared" && mount --bind "$shared" "$root$shared"
		done
		mkdir -p "$root/host"
		mount -t proc proc "$root/proc"
		mount --rbind /sys "$root/sys"
		mount --rbind /dev "$root/dev"
		mount -t tmpfs tmpfs "$root/run"
		mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
		cd "$root" && pivot_root . host && cd / && umount -l /host
		cd "$top"
		exec env -i HOME=/root LANG=C.UTF-8 GOPROXY="$proxy" GOMODCACHE="$modules" GOCACHE="$cache" GOFLAGS=-buildvcs=false \
			PATH="$goroot/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" "$@"' within "${@:2}"
}

count() { grep -c "^--- $1" "$2" || true; }

# row NAME SUITE FROM [PATH]: the tests on one engine, and its row of the table.
row() {
	local log=$dir/$1.log version
	within "$2" bash -c 'PATH=${1:+$1:}$PATH && make e2e TESTS="$2"; dockerd --version' e2e "${4:-}" "$tests" >"$log" 2>&1 || true
	version=$(sed -n 's/^Docker version \([^,]*\),.*/\1/p' "$log" | tail -n 1)
	[ "$(count FAIL "$log")" = 0 ] && [ "$(count PASS "$log")" != 0 ] || failed=1
	table+="| $version | $3 | $(count PASS "$log") | $(count FAIL "$log") | $(count SKIP "$log") |"$'\n'
}

if [ ! -x "$dir/newest/dockerd" ]; then
	echo "building the engine of github.com/moby/moby/v2 $newest, which takes minutes" >&2
	module=$(mktemp -d)
	(cd "$module" && go mod init engine && go get "github.com/moby/moby/v2/cmd/dockerd@$newest" &&
		CGO_ENABLED=0 go build -ldflags "-s -w -X github.com/moby/moby/v2/dockerversion.Version=${newest#v}" -o "$dir/newest/dockerd" \
			github.com/moby/moby/v2/cmd/dockerd) >"$dir/newest.build" 2>&1 || { tail -5 "$dir/newest.build" >&2 && exit 1; }
	rm -rf "$module"
fi
failed='' table=$'| engine | from | passed | failed | left out |\n|---|---|---|---|---|\n'
debian bookworm
debian trixie
row debian-12 bookworm 'Debian 12, `docker.io`'
row debian-13 trixie 'Debian 13, `docker.io`'
row newest trixie "module \`github.com/moby/moby/v2\` $newest, on Debian 13" "$dir/newest"
printf '%s' "$table"
[ -z "$failed" ] || { echo "engines.sh: a run has failed, see $dir/*.log" >&2; exit 1; }
