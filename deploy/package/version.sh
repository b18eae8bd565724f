#!/usr/bin/env bash
# version.sh [DESCRIBED [COMMITS]]: the version of what git describe said, or is asked
# for here. The programs, the packages and their pages all name this one.
# v1.2.3-rc.1 < v1.2.3-rc.1-4-gabc < v1.2.3 < v1.2.3-4-gabc < v1.2.4 for deb and
# rpm: ~ sorts before the end, + after it. Without a tag it is the newest version of
# CHANGELOG.md and the number of commits: 0.1.0~77.gabc before its release, 0.1.0+77.gabc
# after it. What it prints, it accepts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [ $# -eq 0 ] || [ -z "$1" ]; then
	# A repository around a source without one, as of an archive, is not its own.
	if [ -e .git ] && described=$(git describe --tags --dirty --always 2>/dev/null); then
		set -- "$described" "$(git rev-list --count HEAD)"
	else
		set -- "$(sed -En 's/^## \[?([0-9.]+).*/\1/p' CHANGELOG.md | head -n 1)"
	fi
fi
version=${1#v} commits=${2:-0} more='' dirty=''
case $version in *-dirty) dirty=yes version=${version%-dirty} ;; esac
if [[ $version =~ ^(.+)-([0-9]+)-g([0-9a-f]+)$ ]]; then
	version=${BASH_REMATCH[1]} more=+${BASH_REMATCH[2]}.g${BASH_REMATCH[3]}
elif [[ $version =~ ^[0-9a-f]{7,40}$ ]]; then
	more=$commits.g$version
	newest=$(grep -m 1 -E '^## \[?[0-9]' CHANGELOG.md)
	version=$(sed -E 's/^## \[?([0-9.]+).*/\1/' <<<"$newest")
	case ${newest,,} in *unreleased*) more=\~$more ;; *) more=+$more ;; esac
fi
case $version in *-*)
	before=${version#*-}
	version=${version%%-*}~${before//-/.} ;;
esac
[ -z "$dirty" ] || more=${more:-+0}.dirty
[[ $version$more =~ ^[0-9]+(\.[0-9]+)+[A-Za-z0-9.~+]*$ ]] || {
	echo "version.sh: \"$1\" is no version such as v1.2.3; say VERSION=v1.2.3" >&2
	exit 1
}
printf '%s\n' "$version$more"
