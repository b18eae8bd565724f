#!/usr/bin/env bash
# build.sh OUT [ARCH...]: the packages of this checkout in OUT, deb and rpm for each
# architecture, in Go's names. The same source and the same Go give the same bytes,
# wherever and whenever: times are those of the commit, or SOURCE_DATE_EPOCH.
#
#   VERSION             as git describe has it, or as version.sh makes it of that
#   COMMITS             their number, for a VERSION that is a commit
#   SOURCE_DATE_EPOCH   the time to name; these come from git
#   MAINTAINER          who builds it: Name <address>
#   NFPM, GO            the programs to use
set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022

out=$(mkdir -p "$1" && cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- amd64 arm64
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

go=${GO:-go}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
PACKAGE_VERSION=$(deploy/package/version.sh "${VERSION:-}" "${COMMITS:-0}")
MAINTAINER=${MAINTAINER:-ecr-refreshd maintainers <maintainers@ecr-refreshd.invalid>}
export SOURCE_DATE_EPOCH PACKAGE_VERSION MAINTAINER
export CGO_ENABLED=0 GOOS=linux GOAMD64=v1 GOARM64=v8.0 GOFLAGS=-buildvcs=false

STAGE=$(mktemp -d)
export STAGE
trap 'rm -rf "$STAGE"' EXIT
# root is in both kinds of package; so is share, which is documentation.
root=$STAGE/root share=$STAGE/share doc=$STAGE/share/doc/ecr-refreshd
mkdir -p "$STAGE"/{root,share,pages,deb,rpm}

# put FILE PLACE: into the packages, readable for all.
put() { install -D -m "${mode:-644}" "$1" "$2"; }
# pack FILE PLACE: the same, compressed.
pack() { gzip -9nc "$1" | put /dev/stdin "$2.gz"; }

native=$(GOOS='' $go env GOHOSTARCH)
compile() {
	GOARCH=$1 $go build -trimpath -ldflags "-s -w -X main.release=$PACKAGE_VERSION" -o "$STAGE/bin/$1/" \
		./cmd/ecr-refreshd ./cmd/docker-credential-ecr-refreshd
}
for arch in $(printf '%s\n' "$native" "$@" | sort -u); do compile "$arch"; done

# Units. A .conf is an example of a drop-in, but for the one that names the user.
for unit in deploy/systemd/*.{service,socket,timer}; do
	[ ! -e "$unit" ] || put "$unit" "$root/usr/lib/systemd/system/${unit##*/}"
done
for unit in deploy/systemd/user/*.{service,socket,timer}; do
	[ ! -e "$unit" ] || put "$unit" "$root/usr/lib/systemd/user/${unit##*/}"
done
for conf in deploy/systemd/*.conf; do
	case ${conf##*/} in
	sysusers.conf) # without the membership, which the scripts see to: the account may be a person's
		sed '/^# The engine/,$d' "$conf" | put /dev/stdin "$root/usr/lib/sysusers.d/ecr-refreshd.conf" ;;
	*) put "$conf" "$doc/examples/${conf##*/}" ;;
	esac
done
mode=755 put deploy/package/log-out "$root/usr/libexec/ecr-refreshd/log-out"

# What people read.
GOOS='' $go run ./deploy/package/manpages -program "$STAGE/bin/$native/ecr-refreshd" -version "$PACKAGE_VERSION" \
	-epoch "$SOURCE_DATE_EPOCH" -out "$STAGE/pages"
for page in "$STAGE"/pages/*; do pack "$page" "$share/man/man${page##*.}/${page##*/}"; done
GOOS='' $go run ./deploy/package/notices ./cmd/ecr-refreshd ./cmd/docker-credential-ecr-refreshd >"$STAGE/notices"
pack "$STAGE/notices" "$doc/NOTICES"
GOOS='' $go run ./deploy/package/notices -spdx "$PACKAGE_VERSION" -epoch "$SOURCE_DATE_EPOCH" ./cmd/ecr-refreshd ./cmd/docker-credential-ecr-refreshd \
	>"$STAGE/ecr-refreshd.spdx.json"
pack "$STAGE/ecr-refreshd.spdx.json" "$doc/ecr-refreshd.spdx.json"
put deploy/package/ecr-refreshd.openvex.json "$doc/ecr-refreshd.openvex.json"
{
	echo 'ecr-refreshd keeps every Docker on a host logged in to Amazon ECR.'
	echo
	echo "Copyright $(date -d "@$SOURCE_DATE_EPOCH" +%Y) the authors of ecr-refreshd"
	echo 'License: Apache-2.0'
	echo
	echo 'Licensed under the Apache License, Version 2.0. You may obtain a copy of it at'
	echo 'http://www.apache.org/licenses/LICENSE-2.0; on Debian systems it is in'
	echo '/usr/share/common-licenses/Apache-2.0.'
	echo
	echo 'The works that are linked into its programs, and their licences, are in NOTICES.gz beside this file.'
} >"$STAGE/copyright"
put "$STAGE/copyright" "$doc/copyright"
put configs/ecr-refreshd.yaml "$doc/ecr-refreshd.yaml"
put configs/ecr-refreshd.schema.json "$doc/ecr-refreshd.schema.json"
for file in alerts.yml dashboard.json; do put "deploy/monitoring/$file" "$doc/monitoring/$file"; done
pack README.md "$doc/README.md"
pack CHANGELOG.md "$doc/changelog"

# Completions, each where its shell looks.
program=$STAGE/bin/$native/ecr-refreshd
for shell in bash zsh fish; do "$program" completion $shell >"$STAGE/completion.$shell"; done
put "$STAGE/completion.bash" "$root/usr/share/bash-completion/completions/ecr-refreshd"
put "$STAGE/completion.fish" "$root/usr/share/fish/vendor_completions.d/ecr-refreshd.fish"
put "$STAGE/completion.zsh" "$STAGE/deb/usr/share/zsh/vendor-completions/_ecr-refreshd"
put "$STAGE/completion.zsh" "$STAGE/rpm/usr/share/zsh/site-functions/_ecr-refreshd"

# Debian's own changelog and the reasons for what lintian reports.
printf 'ecr-refreshd (%s-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- %s  %s\n' "$PACKAGE_VERSION" "$MAINTAINER" \
	"$(date -Rd "@$SOURCE_DATE_EPOCH")" >"$STAGE/changelog.Debian"
pack "$STAGE/changelog.Debian" "$STAGE/deb/usr/share/doc/ecr-refreshd/changelog.Debian"
put deploy/package/deb/lintian-overrides "$STAGE/deb/usr/share/lintian/overrides/ecr-refreshd"

rm -f "$out"/*.deb "$out"/*.rpm "$out"/SHA256SUMS
cp -R "$root/." "$STAGE/deb"
cp -R "$share/." "$STAGE/deb/usr/share"
cp -R "$root/." "$STAGE/rpm"
cp deploy/package/nfpm.yaml "$STAGE/nfpm.yaml"
{
	printf '  - {src: LICENSE, dst: /usr/share/licenses/ecr-refreshd/LICENSE, type: license, packager: rpm, file_info: {mode: 0644}}\n'
	printf '  - {dst: "/usr/share/%s", type: dir, packager: rpm, file_info: {mode: 0755}}\n' doc/ecr-refreshd doc/ecr-refreshd/examples doc/ecr-refreshd/monitoring licenses/ecr-refreshd
	(cd "$share" && find . -type f -printf '%P\n' | sort) | while read -r file; do
		printf '  - {src: "%s", dst: "%s", type: doc, packager: rpm, file_info: {mode: 0644}}\n' "$share/$file" "/usr/share/$file"
	done
} >>"$STAGE/nfpm.yaml"
for arch in "$@"; do
	for program in "$STAGE/bin/$arch"/*; do
		for kind in deb rpm; do mode=755 put "$program" "$STAGE/$kind/usr/bin/${program##*/}"; done
	done
	for kind in deb rpm; do
		ARCH=$arch "${NFPM:-nfpm}" package --config "$STAGE/nfpm.yaml" --packager $kind --target "$out" >"$STAGE/log" 2>&1 ||
			{ cat "$STAGE/log" >&2 && exit 1; }
	done
done
# What is in the programs, and what scanners report of that and does not concern them.
cp deploy/package/ecr-refreshd.openvex.json "$STAGE/ecr-refreshd.spdx.json" "$out"
cd "$out"
sha256sum ./*.deb ./*.rpm ./*.json | tee SHA256SUMS
