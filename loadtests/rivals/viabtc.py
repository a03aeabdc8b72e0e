"""ViaBTC's exchange server: the matching engine in C that many exchanges began with, behind its HTTP interface.

It trusts whoever reaches it: the user's id is a parameter, an exchange puts its own front end before it. Balances and
books live in memory; what was accepted is written to MariaDB by a thread of its own every tenth of a second.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import psutil

from loadtests.connection import request
from loadtests.rivals.contender import Claims, Contender, kill, wait_until_gone
from loadtests.rivals.player import Answer, Unexpected
from loadtests.rivals.tape import DEPOSITS, MAKERS, STEPS_PER_UNIT, TRADERS, Kind, Step
from loadtests.rivals.viabtc_build import ACCESSHTTP, COMMIT, MATCHENGINE, SOURCE
from loadtests.venue import HOST, START_TIMEOUT_S, VenueFailed, end, free_port
from services.domain.money import ONE_E8, parse_e8

MARKET: Final = "BTCUSDT"
PAGE: Final = 100
# Half of its work in the HTTP interface is done by as many processes as here; its example has four for more cores.
WORKERS: Final = 2
_ASK, _BID = 1, 2
_NOT_FOUND: Final = 10
_USER: Final = "trade"


class Error(msgspec.Struct):
    code: int
    message: str


class Placed(msgspec.Struct):
    id: int
    deal_stock: str


class Reply(msgspec.Struct):
    error: Error | None
    result: Placed | None


_reply: Final = msgspec.json.Decoder(Reply)


class RpcDialect:
    """Orders are numbered there; what each step's order is called is learnt from the answer."""

    def __init__(self) -> None:
        self.order_ids: dict[int, int] = {}

    def requests(self, step: Step) -> Sequence[bytes]:
        user = step.trader + 1
        if step.kind is Kind.CANCEL:
            # One whose order was not accepted is for an order that nobody has.
            return (call("order.cancel", user, MARKET, self.order_ids.get(step.number, 0)),)
        side = _BID if step.buys else _ASK
        if step.kind is Kind.MARKET:
            return (call("order.put_market", user, MARKET, side, step.quantity, "0.001", "tape"),)
        return (call("order.put_limit", user, MARKET, side, step.quantity, step.price, "0.001", "0.001", "tape"),)

    def read(self, step: Step, bodies: Sequence[tuple[int, bytes]]) -> Answer:
        status, body = bodies[-1]
        if status == 200:
            reply = _reply.decode(body)
            if step.kind is Kind.CANCEL and (reply.error is None or reply.error.code == _NOT_FOUND):
                return Answer(too_late=reply.error is not None)
            if reply.result is not None:
                self.order_ids[step.number] = reply.result.id
                return Answer(_steps(reply.result.deal_stock) if step.takes else 0)
        raise Unexpected(f"{status} {body[:200].decode(errors='replace')}")

    def batches(self, _steps: Sequence[Step]) -> Sequence[bytes] | None:
        return None

    def beat(self) -> bytes | None:
        return None

    def read_beat(self, _body: bytes) -> int:
        return 0


class ViaBtc(Contender):
    name = "ViaBTC exchange server"
    version = COMMIT[:10]
    source = "its repository on GitHub; `python -m loadtests.rivals.viabtc_build` fetches and builds it on Debian"
    conditions = (
        "matchengine and accesshttp built with `-O2`, MariaDB with its defaults (commits reach the disk), messages to "
        "the broker of librdkafka's tests, log of errors only; readhistory, marketprice and accessws do not run"
    )
    claims = Claims(
        authentication="none: the user's id is a parameter",
        filters="decimals, smallest amount",
        balance="yes, freezes it",
        matching="yes",
        durable="no: written to MariaDB within a tenth of a second or so",
    )

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._port, self._engine_port, self._database_port = free_port(), free_port(), free_port()
        self._dialect = RpcDialect()
        self._database: subprocess.Popen[bytes] | None = None
        self._broker: subprocess.Popen[bytes] | None = None
        self._is_new = True

    @classmethod
    def unavailable(cls) -> str:
        if not (MATCHENGINE.exists() and ACCESSHTTP.exists()):
            return "not built: `python -m loadtests.rivals.viabtc_build`"
        return "" if _database_program("mariadbd") else "MariaDB is missing: `apt install mariadb-server`"

    def start(self) -> None:
        self._start_database()
        self._broker = subprocess.Popen((sys.executable, "-m", "loadtests.rivals.kafka"), stdout=subprocess.PIPE)
        assert self._broker.stdout is not None
        self._configure(self._broker.stdout.readline().decode().strip())
        for program in (MATCHENGINE, ACCESSHTTP):
            # What detaches itself keeps its output: a pipe would never end.
            with (self.root / "servers.log").open("ab") as output:
                command = (str(program), f"{program.stem}.json")
                subprocess.run(command, cwd=self.root, stdout=output, stderr=output, check=True, timeout=30)
        # Whoever asks too early is told of an error inside.
        _wait("ViaBTC's HTTP interface", lambda: self._ask("asset.list")["error"] is None)
        if self._is_new:
            self._deposit()
            self._is_new = False

    def stop(self) -> None:
        own = self._own()
        for process in own:
            process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(own, timeout=10)
        kill(alive)
        wait_until_gone(alive)
        for child in (self._broker, self._database):
            if child is not None:
                end(child, signal.SIGTERM)

    def restart(self) -> None:
        for child in (self._broker, self._database):
            if child is not None:
                child.wait()
        self.start()

    @property
    def port(self) -> int:
        return self._port

    @property
    def dialect(self) -> RpcDialect:
        return self._dialect

    @property
    def roots(self) -> Mapping[str, int]:
        assert self._database is not None
        named = {f"{process.name()} {process.pid}": process.pid for process in self._tops()}
        return {**named, "mariadb": self._database.pid}

    def processes(self) -> list[psutil.Process]:
        assert self._broker is not None
        return [*super().processes(), psutil.Process(self._broker.pid)]

    def survivors(self) -> set[int]:
        numbers = {order_id: number for number, order_id in self._dialect.order_ids.items()}
        return {numbers[order_id] for user in range(1, MAKERS + 1) for order_id in self._pending(user)}

    def _pending(self, user: int) -> list[int]:
        found: list[int] = []
        while True:
            result = self._ask("order.pending", user, MARKET, len(found), PAGE)["result"]
            found += [record["id"] for record in result["records"]]
            if len(found) >= result["total"]:
                return found

    def _own(self) -> list[psutil.Process]:
        """They detach themselves and change their names: ours are those that run our programs in our directory."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.exe() in (str(MATCHENGINE), str(ACCESSHTTP)) and process.cwd() == str(self.root.resolve()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def _tops(self) -> list[psutil.Process]:
        own = self._own()
        pids = {process.pid for process in own}
        return [process for process in own if process.ppid() not in pids]

    def _ask(self, method: str, *parameters: object) -> dict[str, Any]:
        body = {"id": 1, "method": method, "params": parameters}
        answer = httpx.post(f"http://{HOST}:{self._port}", json=body, trust_env=False, timeout=30).raise_for_status()
        return dict(answer.json())

    def _deposit(self) -> None:
        for user in range(1, TRADERS + 1):
            for number, (asset, amount) in enumerate(DEPOSITS.items()):
                done = self._ask("balance.update", user, asset, "deposit", number, amount, {})
                if done["error"] is not None:
                    raise VenueFailed(f"a deposit was refused: {done}")

    def _configure(self, brokers: str) -> None:
        (self.root / "log").mkdir(exist_ok=True)
        database = {"host": HOST, "port": self._database_port, "user": _USER, "pass": _USER}
        common = {
            "process": {"file_limit": 4096, "core_limit": 0},
            "alert": {"host": "tape", "addr": f"{HOST}:{free_port()}"},
        }
        engine = {
            **common,
            "log": {"path": str(self.root / "log" / "matchengine"), "flag": "fatal,error"},
            "svr": {
                "bind": [f"tcp@{HOST}:{self._engine_port}", f"udp@{HOST}:{self._engine_port}"],
                "buf_limit": 100,
                "max_pkg_size": 10240,
                "heartbeat_check": False,
            },
            "cli": f"tcp@{HOST}:{free_port()}",
            "db_log": {**database, "name": "trade_log"},
            "db_history": {**database, "name": "trade_history"},
            "assets": [{"name": name, "prec_save": 20, "prec_show": 8} for name in DEPOSITS],
            "markets": [
                {
                    "name": MARKET,
                    "stock": {"name": "BTC", "prec": 5},
                    "money": {"name": "USDT", "prec": 2},
                    "min_amount": "0.0001",
                }
            ],
            "brokers": brokers,
        }
        elsewhere = {"addr": [f"tcp@{HOST}:{free_port()}"], "max_pkg_size": 2_000_000}
        front = {
            **common,
            "log": {"path": str(self.root / "log" / "accesshttp"), "flag": "fatal,error"},
            "svr": {"bind": [f"tcp@{HOST}:{self._port}"], "max_pkg_size": 102_400},
            "monitor": {"bind": f"tcp@{HOST}:{free_port()}", "max_pkg_size": 1024},
            "worker_num": WORKERS,
            "timeout": 5.0,
            "matchengine": {
                "name": "matchengine",
                "addr": [f"tcp@{HOST}:{self._engine_port}"],
                "max_pkg_size": 2_000_000,
            },
            "marketprice": {"name": "marketprice", **elsewhere},
            "readhistory": {"name": "readhistory", **elsewhere},
        }
        for name, content in (("matchengine", engine), ("accesshttp", front)):
            (self.root / f"{name}.json").write_bytes(msgspec.json.encode(content))

    def _start_database(self) -> None:
        data, log = self.root / "mariadb", self.root / "mariadb.log"
        as_user = ("--user=mysql",) if os.geteuid() == 0 else ()
        if not data.exists():
            data.mkdir()
            if as_user:
                owner = pwd.getpwnam("mysql")
                os.chown(data, owner.pw_uid, owner.pw_gid)
            install = (_database_program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", *as_user)
            options = ("--auth-root-authentication-method=normal", "--skip-test-db")
            subprocess.run((*install, *options), check=True, capture_output=True)
        listening = (f"--port={self._database_port}", f"--bind-address={HOST}", f"--socket={data / 'socket'}")
        command = (_database_program("mariadbd"), "--no-defaults", f"--datadir={data}", *listening, *as_user)
        with log.open("ab") as output:
            self._database = subprocess.Popen(command, stdout=output, stderr=output)
        _wait("MariaDB", self._database_answers)
        if self._is_new:
            self._sql(_schema())

    def _database_answers(self) -> bool:
        with socket.create_connection((HOST, self._database_port), timeout=1):
            return True

    def _sql(self, text: str) -> None:
        client = (_database_program("mariadb"), "--no-defaults", "--user=root")
        where = f"--socket={self.root / 'mariadb' / 'socket'}"
        subprocess.run((*client, where), input=text.encode(), check=True, capture_output=True)


def call(method: str, *parameters: object) -> bytes:
    body = msgspec.json.encode({"id": 1, "method": method, "params": parameters})
    return request("POST", "/", {"Content-Type": "application/json"}, body)


def _schema() -> str:
    """As its sql/init_trade_history.sh does it: a hundred tables of each history."""
    history = (SOURCE / "sql" / "create_trade_history.sql").read_text()
    log = (SOURCE / "sql" / "create_trade_log.sql").read_text()
    names = ("balance_history", "order_history", "order_detail", "deal_history", "user_deal_history")
    tables = [f"CREATE TABLE {name}_{number} LIKE {name}_example;" for name in names for number in range(100)]
    return "\n".join(
        [
            f"CREATE USER {_USER}@'%' IDENTIFIED BY '{_USER}'; GRANT ALL ON *.* TO {_USER}@'%';",
            "CREATE DATABASE trade_log; CREATE DATABASE trade_history;",
            f"USE trade_log; {log}",
            f"USE trade_history; {history}",
            *tables,
        ]
    )


def _steps(amount: str) -> int:
    return parse_e8(amount) * STEPS_PER_UNIT // ONE_E8


def _database_program(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""


def _wait(what: str, answers: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        try:
            if answers():
                return
        except (OSError, httpx.HTTPError):
            pass
        time.sleep(0.1)
    raise VenueFailed(f"{what} did not start")
