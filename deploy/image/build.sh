#!/usr/bin/env bash
# Builds the container image by buildah, without Docker and without a base image.
#
#   deploy/image/build.sh [OUTPUT-DIRECTORY]        default: target/image
#
# Makes there:
#   isthmus.tar       for Docker, with a HEALTHCHECK: `docker load -i isthmus.tar`
#   isthmus.oci.tar   an OCI archive, for podman, containerd and registries. The format has no HEALTHCHECK: orchestrators
#                     have probes of their own, and the command for them is `isthmus status --brief`
#
# Needs buildah, and root or a user with subordinate ids (`buildah unshare`). Nothing is fetched, and nothing is left in
# the machine's own storage of images.
#
# TAG            name of the image (default: localhost/isthmus:VERSION)
# ISTHMUS_BINARY a static binary, instead of the one that deploy/static.sh builds
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
output=${1:-target/image}

if ! command -v buildah >/dev/null; then
    echo "build.sh: buildah is missing: install the package buildah" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ] && [ -z "${_CONTAINERS_USERNS_CONFIGURED:-}" ]; then
    exec buildah unshare "$here/build.sh" "$@"
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)
time=$(git log -1 --format=%ct 2>/dev/null || echo 0)
tag=${TAG:-localhost/isthmus:$version}
binary=$(realpath "${ISTHMUS_BINARY:-$(deploy/static.sh)}")

mkdir -p "$output"
output=$(realpath "$output")
work=$(mktemp -d "$output/work.XXXXXX")
# In a user namespace what is in it may belong to mapped users: here all of it can be removed.
trap 'rm -rf "$work"' EXIT

# A storage of its own, so that the machine's is of no matter and is left as it was.
storage() {
    buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"
}

labels=(
    "title=Isthmus"
    "description=A software router for clusters whose nodes share memory"
    "version=$version"
    "revision=$revision"
    "created=$(date --utc --date "@$time" +%Y-%m-%dT%H:%M:%SZ)"
    "source=https://github.com/isthmus-router/isthmus"
    "documentation=https://github.com/isthmus-router/isthmus/blob/main/docs/deployment/container.md"
    "licenses=Apache-2.0"
    "vendor=Isthmus"
)

build() {
    local format=$1 transport=$2 file=$3 container root label
    local settings=(--entrypoint '["/usr/bin/isthmus"]' --cmd 'run -c /etc/isthmus/isthmus.yaml' --env PATH=/usr/bin
        --port 8080/tcp --volume /etc/isthmus --volume /var/lib/isthmus --volume /run/isthmus --workingdir /
        --stop-signal SIGTERM)
    for label in "${labels[@]}"; do settings+=(--label "org.opencontainers.image.$label"); done
    if [ "$format" = docker ]; then
        settings+=(--healthcheck 'CMD /usr/bin/isthmus status --brief' --healthcheck-interval 10s
            --healthcheck-timeout 5s --healthcheck-start-period 30s --healthcheck-retries 3)
    fi
    container=$(storage from --format "$format" scratch)
    storage copy --quiet --chmod 0755 "$container" "$binary" /usr/bin/isthmus
    # Mount points, for runtimes that make none; and names for user ids, for runtimes that look them up.
    root=$(storage mount "$container")
    mkdir -p "$root"/{dev,proc,sys,tmp,run/isthmus,etc/isthmus,var/lib/isthmus}
    chmod 1777 "$root/tmp"
    chmod 0700 "$root/run/isthmus" "$root/var/lib/isthmus"
    printf 'root:x:0:0:root:/:/usr/bin/isthmus\nisthmus:x:7373:7373:Isthmus:/var/lib/isthmus:/usr/bin/isthmus\n' \
        >"$root/etc/passwd"
    printf 'root:x:0:\nisthmus:x:7373:\n' >"$root/etc/group"
    storage umount "$container" >/dev/null
    storage config "${settings[@]}" "$container"
    # One layer whose times are the commit's: the same binary and the same commit make the same OCI image.
    storage commit --quiet --format "$format" --squash --timestamp "$time" --identity-label=false \
        "$container" "$tag" >/dev/null
    rm -f "$output/$file"
    storage push --quiet "$tag" "$transport:$output/$file:$tag"
    echo "$output/$file"
}

build docker docker-archive isthmus.tar
build oci oci-archive isthmus.oci.tar
