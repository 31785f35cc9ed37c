#!/usr/bin/env bash
# Builds the image of a virtual machine that is an Isthmus node.
#
#   deploy/vm/build.sh [OUTPUT-DIRECTORY]        default: target/vm
#
# Makes there:
#   vmlinuz, initrd.gz   Debian's cloud kernel, and an initramfs with the static binary as its first process
#   isthmus.iso          the same, to boot from a CD drive, a USB stick or a disk (BIOS)
#
# Needs no root: python3, apt-get and dpkg-deb (Debian, for the kernel), grub-mkrescue with grub-pc-bin and xorriso (for
# the ISO image). Nothing is installed; the kernel's package is unpacked in the output directory.
#
# APPEND         words for the kernel's command line, in the ISO's boot menu
# ISTHMUS_BINARY a static binary, instead of the one that deploy/static.sh builds
# KERNEL_VERSION a version of the package, for the same image again (default: the one that apt-get has now)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
output=${1:-target/vm}

need() {
    if ! command -v "$1" >/dev/null; then
        echo "build.sh: $1 is missing: install $2" >&2
        exit 1
    fi
}
need python3 python3
need apt-get "a Debian system's packages"
need dpkg-deb dpkg
need xorriso xorriso
need grub-mkrescue "grub-common and grub-pc-bin"
if [ ! -d /usr/lib/grub/i386-pc ]; then
    echo "build.sh: GRUB for BIOS is missing: install grub-pc-bin" >&2
    exit 1
fi

# The package of the current kernel is what the meta package depends on.
kernel_package() {
    apt-cache depends --no-recommends --no-suggests linux-image-cloud-amd64 |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1
}

fetch_kernel() {
    local package=$1 kernel=$2
    if [ -e "$kernel/.complete" ]; then return; fi
    rm -rf "$kernel"
    mkdir -p "$kernel"
    (
        cd "$kernel"
        # The user that apt-get drops its privileges to may not write here: it says so, and goes on without.
        apt-get download -q "$package${KERNEL_VERSION:+=$KERNEL_VERSION}" 2> >(grep -v unsandboxed >&2)
        dpkg-deb -x ./*.deb .
        rm ./*.deb
        touch .complete
    )
}

time=$(git log -1 --format=%ct 2>/dev/null || echo 0)
mkdir -p "$output"
package=$(kernel_package)
if [ -z "$package" ]; then
    echo "build.sh: apt-get knows no linux-image-cloud-amd64: run apt-get update" >&2
    exit 1
fi
kernel=$output/kernel-${package#linux-image-}
fetch_kernel "$package" "$kernel"
binary=${ISTHMUS_BINARY:-$(deploy/static.sh)}
version=${package#linux-image-}
cp "$kernel/boot/vmlinuz-$version" "$output/vmlinuz"
"$here/initramfs.py" --binary "$binary" --modules "$kernel/lib/modules/$version" --time "$time" \
    --output "$output/initrd.gz"

tree=$output/iso
rm -rf "$tree"
mkdir -p "$tree/boot/grub"
cp "$output/vmlinuz" "$output/initrd.gz" "$tree/boot/"
# `&` and `|` would mean something to sed.
append=$(printf '%s' "${APPEND:-}" | sed 's/[&|\\]/\\&/g')
sed "s|@APPEND@|$append|" "$here/grub.cfg" >"$tree/boot/grub/grub.cfg"
find "$tree" -exec touch --no-dereference --date "@$time" {} +
SOURCE_DATE_EPOCH=$time grub-mkrescue --directory=/usr/lib/grub/i386-pc --product-name=Isthmus \
    --output="$output/isthmus.iso" "$tree" -- -volid ISTHMUS-BOOT >"$output/grub-mkrescue.log" 2>&1 || {
    cat "$output/grub-mkrescue.log" >&2
    exit 1
}
rm -r "$tree"
ls -l "$output/vmlinuz" "$output/initrd.gz" "$output/isthmus.iso"
