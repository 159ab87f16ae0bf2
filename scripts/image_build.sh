# How scripts/image-check builds the images with buildah, and what is to be in them: it is read by
# that script, whose variables and words it uses.
# shellcheck shell=bash disable=SC2034,SC2154

# A Debian with Python 3.11 under the name of the real base image.
make_base() {
    begin "base"
    if buildah "${stores[@]}" inspect --type image "$base" >/dev/null 2>&1; then
        echo "kept from an earlier run"
        return
    fi
    local mirror root=$kept/base
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | awk 'NR == 1')
    rm --recursive --force --one-file-system "$root"
    logged debootstrap debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates \
        "$suite" "$root" "$mirror"
    ln --symbolic ../../bin/python3 "$root/usr/local/bin/python3"
    ln --symbolic python3 "$root/usr/local/bin/python"
    local container
    container=$(buildah "${stores[@]}" from scratch)
    buildah "${stores[@]}" add --quiet "$container" "$root" / >/dev/null
    buildah "${stores[@]}" config --cmd python3 \
        --env PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah "${stores[@]}" commit --quiet --rm --format docker "$container" "$base" >/dev/null
    rm --recursive --force --one-file-system "$root"
}

# pip's configuration here as arguments of a build: its options, and what they name on this disk.
pip_arguments() {
    "$bin/python" - <<'PYTHON'
import ast
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

OPTIONS = ("index-url", "extra-index-url", "find-links", "trusted-host", "cert", "default-timeout")
listing = subprocess.run(
    [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
).stdout
told = {}
for section in ("global", "install", ":env:"):  # the later ones win, as they do in pip
    for line in listing.splitlines():
        key, value = line.split("=", 1)
        if key.removeprefix(section + ".") in OPTIONS and key.startswith(section + "."):
            told[key.removeprefix(section + ".")] = ast.literal_eval(value)
for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
    if variable in os.environ:
        told.setdefault("cert", os.environ[variable])

folders = set()
for option, value in told.items():
    words = value.split()
    print(f"--build-arg=PIP_{option.upper().replace('-', '_')}={' '.join(words)}")
    for word in words:
        path = Path(unquote(urlsplit(word).path) if word.startswith("file:") else word)
        if option not in ("trusted-host", "default-timeout") and path.is_absolute() and path.exists():
            # The pages of an index lead to files beside it.
            folders.add(path.parent if option.endswith("index-url") else path)
for folder in sorted(folders):
    print(f"--volume={folder}:{folder}:ro")
PYTHON
}

build() {
    local arguments image began
    mapfile -t arguments < <(pip_arguments)
    for image in api worker; do
        begin "build $image"
        began=$SECONDS
        logged "build-$image" buildah "${stores[@]}" bud --isolation chroot --network host \
            --pull-never --format docker --layers --target "$image" --tag "traind-$image" \
            "${arguments[@]}" .
        echo "$((SECONDS - began)) s, $(megabytes "localhost/traind-$image") MB, of which the base is $(megabytes "$base")"
        is_true "every step of the $image image runs: $(megabytes "localhost/traind-$image") MB, of which the base is $(megabytes "$base")"
    done
}

megabytes() {
    podman "${stores[@]}" image inspect --format '{{.Size}}' "$1" | awk '{ printf "%.0f", $1 / 1e6 }'
}

# Runs Python in an image as its user, with nothing of the rest of this script needed.
inside() {
    podman "${stores[@]}" run --rm --no-healthcheck "${restricted[@]}" --entrypoint python "localhost/traind-$1" -c "$2"
}

contents() {
    begin "contents"
    local image
    for image in api worker; do
        buildah "${stores[@]}" inspect --type image "localhost/traind-$image" | "$bin/python" -c '
import json, sys
config = json.load(sys.stdin)["Docker"]["config"]
assert config["User"] == "10001:10001", config["User"]
assert config["StopSignal"] == "SIGTERM", config["StopSignal"]
assert list(config["Volumes"]) == ["/data"], config["Volumes"]
assert config["Healthcheck"]["Test"][0] == "CMD", config["Healthcheck"]
assert not [each for each in config["Env"] if each.startswith("PIP_")], config["Env"]
'
    done
    is_true "both images name uid 10001, SIGTERM, the volume /data and a health check, and keep no setting of pip"
    inside api '
import importlib.util, os
found = [name for name in ("torch", "torchvision", "worker") if importlib.util.find_spec(name)]
assert not found, found
assert os.getuid() == 10001, os.getuid()
import fastapi, onnxruntime, app'
    is_true "the api image has no torch, no torchvision and no worker, and runs as uid 10001"
    local torch
    torch=$(inside worker '
import os
assert os.getuid() == 10001, os.getuid()
status = dict(line.split(":\t") for line in open("/proc/self/status").read().splitlines())
assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, status["CapBnd"]
assert status["NoNewPrivs"] == "1", status["NoNewPrivs"]
for path in ("/", "/opt/venv"):
    try:
        open(path + "/probe", "w")
    except OSError:
        continue
    raise SystemExit(path + " is writable")
open("/data/probe", "w")
os.unlink("/data/probe")
import torch
import worker
print(torch.__version__)')
    echo "torch $torch"
    is_true "the worker runs as uid 10001 without capabilities or new privileges, its root is read-only, a new volume is writable, and torch $torch is imported"
    torch_built=$torch
}
