"""Puts images into an OCI layout directory, without a daemon.

    oci.py LAYOUT NAME [--base NAME] [--tree DIR] [--add SRC:DEST]...
           [--entrypoint JSON] [--cmd JSON] [--workdir DIR] [--user UID] [--env K=V]...

One image of the layout: the layers of --base (another image of the same layout, its blobs shared),
one of a whole tree, one of single files and folders. NAME is host/repository:tag and becomes the
annotation `org.opencontainers.image.ref.name`. Layers are plain tar, not compressed: they travel
over loopback only. The same input gives the same digests: times are 0, owners root (--add) or as in
the tree (--tree). Writers of one layout must take turns; readers see the old index or the new one.
"""
import argparse
import hashlib
import json
import os
import pathlib
import subprocess
import tarfile
import tempfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
REF = "org.opencontainers.image.ref.name"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Layout:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.blobs = self.folder / "blobs" / "sha256"
        self.blobs.mkdir(parents=True, exist_ok=True)
        (self.folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def index(self):
        file = self.folder / "index.json"
        return json.loads(file.read_text())["manifests"] if file.exists() else []

    def read(self, descriptor):
        return json.loads((self.blobs / descriptor["digest"].split(":")[1]).read_text())

    def put(self, chunks, media_type):
        """Stores what `chunks` yields under its digest; the descriptor of it."""
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=self.blobs, delete=False) as file:
            for chunk in chunks:
                digest.update(chunk)
                size += len(chunk)
                file.write(chunk)
        os.chmod(file.name, 0o644)
        os.replace(file.name, self.blobs / digest.hexdigest())
        return {"mediaType": media_type, "digest": "sha256:" + digest.hexdigest(), "size": size}

    def put_json(self, document, media_type):
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return self.put([text.encode()], media_type)

    def image(self, name):
        for entry in self.index():
            if entry["annotations"][REF] == name:
                manifest = self.read(entry)
                return manifest["layers"], self.read(manifest["config"])
        raise SystemExit(f"oci.py: no image {name} in {self.folder}")

    def tag(self, descriptor, name):
        entry = dict(descriptor, annotations={REF: name, "io.containerd.image.name": name})
        rest = [other for other in self.index() if other["annotations"][REF] != name]
        entries = sorted(rest + [entry], key=lambda e: e["annotations"][REF])
        new = self.folder / "index.json.new"
        new.write_text(json.dumps({"schemaVersion": 2, "manifests": entries}, indent=1) + "\n")
        os.replace(new, self.folder / "index.json")

    def prune(self):
        """Removes the blobs that no image refers to."""
        keep = set()
        for entry in self.index():
            manifest = self.read(entry)
            for used in [entry, manifest["config"], *manifest["layers"]]:
                keep.add(used["digest"].split(":")[1])
        for blob in self.blobs.iterdir():
            if blob.name not in keep:
                blob.unlink()


def tree_layer(tree):
    """The tar of a root file system, in chunks, without what a container runtime mounts."""
    command = ["tar", "-C", tree, "--one-file-system", "--numeric-owner", "--sort=name",
               "--mtime=@0", "--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*",
               "-cf", "-", "."]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
        while chunk := tar.stdout.read(1 << 20):
            yield chunk
    if tar.returncode != 0:
        raise SystemExit(f"oci.py: tar ended with {tar.returncode}")


def files_layer(additions):
    """The tar of single files and folders, each at its place, owned by root."""
    def entry(info):
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        return info

    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for addition in additions:
                source, place = addition.rsplit(":", 1)
                add_tree(tar, pathlib.Path(source), place.strip("/"), entry)
        file.seek(0)
        while chunk := file.read(1 << 20):
            yield chunk


def add_tree(tar, source, place, entry):
    if source.name == "__pycache__":
        return
    tar.add(source, arcname=place, recursive=False, filter=entry)
    if source.is_dir():
        for child in sorted(source.iterdir()):
            add_tree(tar, child, f"{place}/{child.name}", entry)


def settings(base, options):
    """The `config` of the image: what the base says, overridden."""
    config = {"Env": [PATH], **base}
    for key, value in (("Entrypoint", options.entrypoint), ("Cmd", options.cmd)):
        if value is not None:
            config[key] = json.loads(value)
    for key, value in (("WorkingDir", options.workdir), ("User", options.user)):
        if value is not None:
            config[key] = value
    config["Env"] = config["Env"] + options.env
    return config


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("layout")
    parser.add_argument("name")
    parser.add_argument("--base")
    parser.add_argument("--tree")
    parser.add_argument("--add", action="append", default=[])
    parser.add_argument("--entrypoint")
    parser.add_argument("--cmd")
    parser.add_argument("--workdir")
    parser.add_argument("--user")
    parser.add_argument("--env", action="append", default=[])
    options = parser.parse_args()

    layout = Layout(options.layout)
    layers, base = layout.image(options.base) if options.base else ([], {})
    diff_ids = list(base.get("rootfs", {}).get("diff_ids", []))
    layers = list(layers)
    if options.tree:
        layers.append(layout.put(tree_layer(options.tree), LAYER))
        diff_ids.append(layers[-1]["digest"])  # plain tar: the layer's digest is the tree's
    if options.add:
        layers.append(layout.put(files_layer(options.add), LAYER))
        diff_ids.append(layers[-1]["digest"])

    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    config = {"architecture": arch, "os": "linux",
              "config": settings(base.get("config", {}), options),
              "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST,
                "config": layout.put_json(config, CONFIG), "layers": layers}
    descriptor = layout.put_json(manifest, MANIFEST)
    layout.tag(descriptor, options.name)
    layout.prune()
    print(descriptor["digest"])


if __name__ == "__main__":
    main()
