#!/usr/bin/env bash
# Makes one Debian package: packaging/deb.sh GOARCH PROGRAMS OUT
# PROGRAMS is a folder with PROGRAM-linux-GOARCH for ocellus and ocellusd, and with those of this machine, which write completions and the schema.
# The same commit makes the same bytes. The last line of the output is the package.
set -euo pipefail
[ $# = 3 ] || { echo "usage: $0 GOARCH PROGRAMS OUT" >&2; exit 2; }
goarch=$1 programs=$(realpath "$2")
mkdir -p "$3"
out=$(realpath "$3")
cd "$(dirname "$0")/.."
export LC_ALL=C TZ=UTC
umask 022

go=${GO:-go}
declare -A debian=([amd64]=amd64 [arm64]=arm64 [arm]=armhf)
arch=${debian[$goarch]:-}
[ "$arch" ] || { echo "$0: no Debian package is made for $goarch, only for ${!debian[*]}" >&2; exit 2; }

# A version that grows with time: that of the last tag, then the time and name of the commit.
tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || echo v0)
version=${tag#v}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
if commit=$(git rev-parse --short=12 HEAD 2>/dev/null) && [ "$(git rev-parse "$tag^{commit}" 2>/dev/null)" != "$(git rev-parse HEAD)" ]; then
    version+=+$(date -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).$commit
fi
version=${DEB_VERSION:-$version}

root=$(mktemp -d)
chmod 755 "$root"
trap 'rm -rf "$root"' EXIT
host=$("$go" env GOHOSTARCH)
put() { install -D -m "$1" "$2" "$root/$3"; } # mode, file, where to
doc=usr/share/doc/ocellus
for program in ocellus ocellusd; do
    put 755 "$programs/$program-linux-$goarch" usr/bin/$program
    for shell in bash:bash-completion/completions/$program zsh:zsh/vendor-completions/_$program fish:fish/vendor_completions.d/$program.fish; do
        "$programs/$program-linux-$host" completion "${shell%%:*}" >"$root/text"
        put 644 "$root/text" "usr/share/${shell#*:}"
    done
done
"$programs/ocellusd-linux-$host" schema >"$root/text"
put 644 "$root/text" usr/share/ocellus/ocellusd.schema.json
put 640 packaging/ocellusd.yaml etc/ocellus/ocellusd.yaml
put 644 packaging/ocellusd.service lib/systemd/system/ocellusd.service
put 644 packaging/sysusers.conf usr/lib/sysusers.d/ocellus.conf
put 644 packaging/copyright $doc/copyright
put 644 README.md $doc/README.md
for page in docs/*.md docs/pictures/*; do
    put 644 "$page" "$doc/$page"
done
GOOS=linux GOARCH=$goarch CGO_ENABLED=0 "$go" list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}' \
    ./cmd/ocellus ./cmd/ocellusd | sort -u | { echo "Go $("$go" version | cut -d ' ' -f 3) $("$go" env GOROOT)"; cat; } | while read -r module at dir; do
    printf '======== %s %s\n\n' "$module" "$at"
    find "$dir" -maxdepth 1 -type f \( -iname 'licen[sc]e*' -o -iname 'copying*' -o -iname 'notice*' \) | sort | xargs -r -d '\n' cat
    echo
done | gzip -9n >"$root/text"
put 644 "$root/text" $doc/licences.gz
cat <<END | gzip -9n >"$root/text"
ocellus ($version) unstable; urgency=medium

  * Built from ${commit:-a folder without version control}.

 -- The Ocellus authors <ocellus@localhost>  $(date -R -d "@$SOURCE_DATE_EPOCH")
END
put 644 "$root/text" $doc/changelog.gz
rm "$root/text"

mkdir "$root/DEBIAN"
for script in postinst prerm postrm; do
    put 755 packaging/$script DEBIAN/$script
done
echo /etc/ocellus/ocellusd.yaml >"$root/DEBIAN/conffiles"
(cd "$root" && find . -path ./DEBIAN -prune -o -type f ! -path ./etc/\* -print | sed 's,^\./,,' | sort | xargs md5sum) >"$root/DEBIAN/md5sums"
cat >"$root/DEBIAN/control" <<END
Package: ocellus
Version: $version
Architecture: $arch
Maintainer: The Ocellus authors <ocellus@localhost>
Installed-Size: $(find "$root" -type f -printf '%s\n' | awk '{n += int($1 / 1024) + 1} END {print n}')
Recommends: ca-certificates, ffmpeg
Section: video
Priority: optional
Description: eyes that learn, for a camera and a small computer
 Ocellusd watches cameras: frames in, events with pictures out, and a page to see
 and teach it. Ocellus does the same from the command line, trains networks and
 examines the machine.
END

export DPKG_DEB_COMPRESSOR_TYPE=${DPKG_DEB_COMPRESSOR_TYPE:-xz} DPKG_DEB_THREADS_MAX=1
deb=$out/ocellus_${version}_$arch.deb
dpkg-deb --root-owner-group --build "$root" "$deb" >/dev/null
echo "$deb"
