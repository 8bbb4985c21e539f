#!/bin/sh
# Makes two Debian packages of what is built, in DIRECTORY: virtwl_VERSION_ARCH.deb, with the command, its manual page,
# completions and units, and virtio-wl-dkms_VERSION_all.deb, the guest's driver for DKMS. Plain dpkg-deb: there is nothing to
# compile, and no need of debhelper.
#
#   sh src/setup/debian-package.sh DIRECTORY [amd64|arm64]
set -eu
cd "$(dirname "$0")/../.."

destination=$1
arch=${2:-$(dpkg --print-architecture)}
case $arch in
amd64) addons=linux-x64 ;;
arm64) addons=linux-arm64 ;;
*)
    echo "debian-package.sh: there is no prebuilt addon for $arch" >&2
    exit 1
    ;;
esac
version=$(node -p 'JSON.parse(fs.readFileSync("package.json")).version')
maintainer="virtwl <${DEBEMAIL:-virtwl@localhost}>"
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
umask 022

# control ROOT PACKAGE ARCHITECTURE DEPENDS SUMMARY TEXT [RECOMMENDS]
control() {
    mkdir -p "$1/DEBIAN"
    printf '%s\n' "Package: $2" "Version: $version" "Architecture: $3" "Maintainer: $maintainer" "Depends: $4" \
        ${7:+"Recommends: $7"} "Section: x11" 'Priority: optional' "Installed-Size: $(du -sk "$1" | cut -f1)" "Description: $5" " $6" \
        >"$1/DEBIAN/control"
    (cd "$1" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum) >"$1/DEBIAN/md5sums"
}

# script ROOT NAME: a maintainer script, from standard input.
script() {
    mkdir -p "$1/DEBIAN"
    { printf '#!/bin/sh\nset -e\n' && cat; } >"$1/DEBIAN/$2"
    chmod 755 "$1/DEBIAN/$2"
}

# ---- virtwl ------------------------------------------------------------------------------------------------------

root=$stage/virtwl
library=$root/usr/lib/virtwl
mkdir -p "$library/dist/bundle/cli" "$library/dist/prebuilt" "$root/usr/bin" "$root/usr/share/man/man1" \
    "$root/usr/share/doc/virtwl/examples" "$root/usr/share/bash-completion/completions" \
    "$root/usr/share/zsh/vendor-completions" "$root/usr/share/fish/vendor_completions.d" "$root/usr/lib"
cp package.json "$library"
cp dist/bundle/cli/*.js "$library/dist/bundle/cli"
cp -r dist/prebuilt/$addons-* "$library/dist/prebuilt"
# Addons are no programs.
find "$library" -name '*.node' -exec chmod 644 {} +
ln -s ../lib/virtwl/dist/bundle/cli/main.js "$root/usr/bin/virtwl"
gzip -9n <docs/virtwl.1 >"$root/usr/share/man/man1/virtwl.1.gz"
cat LICENSE dist/bundle/LICENSES >"$root/usr/share/doc/virtwl/copyright"
cp README.md docs/*.md "$root/usr/share/doc/virtwl"

virtwl() {
    node dist/bundle/cli/main.js "$@"
}
virtwl completion bash >"$root/usr/share/bash-completion/completions/virtwl"
virtwl completion zsh >"$root/usr/share/zsh/vendor-completions/_virtwl"
virtwl completion fish >"$root/usr/share/fish/vendor_completions.d/virtwl.fish"

# Units start the program where this package puts it. They lie in the vendor's directories, and nothing is enabled: which
# role a machine has is its operator's to say. For the same reason what would change every session (environment.d) is an
# example only.
for role in host compositor client; do
    virtwl units --role $role --install "$stage/units" --log-level error 2>/dev/null
done
grep -rl '^ExecStart=' "$stage/units" | xargs sed -i 's#^\(ExecStart=\).*/main\.js #\1/usr/bin/virtwl #'
mv "$stage/units/etc/systemd" "$root/usr/lib/systemd"
mv "$stage/units/etc/sysusers.d" "$root/usr/lib/sysusers.d"
find "$stage/units" -type f -exec mv {} "$root/usr/share/doc/virtwl/examples" \;
script "$root" postinst <<'SCRIPT'
if [ "$1" = configure ] && command -v systemd-sysusers >/dev/null; then systemd-sysusers virtwl.conf; fi
SCRIPT
control "$root" virtwl "$arch" 'nodejs (>= 20.5), libc6 (>= 2.34), libstdc++6 (>= 12)' \
    'Wayland compositor in a virtual machine of its own' \
    'Applications run in other VMs; messages cross by virtio_wl, pixels in memory that the host allocates.' \
    bubblewrap
dpkg-deb --root-owner-group -Zxz --build "$root" "$destination/virtwl_${version}_$arch.deb" >/dev/null

# ---- virtio-wl-dkms ----------------------------------------------------------------------------------------------

root=$stage/virtio-wl-dkms
tree=usr/src/virtio-wl-$version
mkdir -p "$root/usr/share/doc/virtio-wl-dkms"
make -s -C bindings/kernel/virtio_wl dkms-tree DEST="$root/$tree"
cp bindings/kernel/virtio_wl/LICENSE "$root/usr/share/doc/virtio-wl-dkms/copyright"
script "$root" postinst <<SCRIPT
if [ "\$1" = configure ]; then /usr/lib/dkms/common.postinst virtio-wl $version '' '' "\$2"; fi
SCRIPT
script "$root" prerm <<SCRIPT
case \$1 in remove | upgrade | deconfigure) dkms remove virtio-wl/$version --all ;; esac
SCRIPT
control "$root" virtio-wl-dkms all 'dkms (>= 3.0)' 'virtio_wl driver for guests of virtwl (DKMS)' \
    'Makes /dev/wl0 in a virtual machine; built for each kernel whose headers are installed.'
dpkg-deb --root-owner-group -Zxz --build "$root" "$destination/virtio-wl-dkms_${version}_all.deb" >/dev/null
