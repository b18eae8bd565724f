#!/usr/bin/env bash
# version.sh DESCRIBED COMMITS: the version of deb and rpm for what git describe said.
# v1.2.3-rc.1 < v1.2.3-rc.1-4-gabc < v1.2.3 < v1.2.3-4-gabc < v1.2.4 in both
# worlds: ~ sorts before the end, + after it. Without a tag it is 0.0.0 and
# the number of commits.
set -euo pipefail
version=${1#v} commits=${2:-0} more='' dirty=''
case $version in *-dirty) dirty=yes version=${version%-dirty} ;; esac
if [[ $version =~ ^(.+)-([0-9]+)-g([0-9a-f]+)$ ]]; then
	version=${BASH_REMATCH[1]} more=+${BASH_REMATCH[2]}.g${BASH_REMATCH[3]}
elif [[ $version =~ ^[0-9a-f]{7,40}$ ]]; then
	more=+$commits.g$version version=0.0.0
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
