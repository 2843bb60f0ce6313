#!/usr/bin/env python3
"""Measures how long it takes until work runs: through Gantline's API and command line, beside pueue,
supervisord and a bare fork and exec, in one run and in turns. Needs nothing but Python.

  bench.py GANTLINE [--pueue DIR] [--supervisor DIR] [--rounds N] [--idle SECONDS] [--json FILE]

A process counts as running at its own first act: a shell that writes a line into a pipe with a name.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import xmlrpc.client

STARTS = 5  # in a row, of one contestant in one round
CROWD = 100


class Acts:
    """A pipe with a name, into which started processes write a line each."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        self.read = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.keep = os.open(path, os.O_WRONLY)

    def wait(self, count, within=60):
        until, seen = time.perf_counter() + within, 0
        while seen < count:
            left = until - time.perf_counter()
            if left <= 0 or not select.select([self.read], [], [], left)[0]:
                raise TimeoutError(f"{seen} of {count} started")
            seen += os.read(self.read, 65536).count(b"\n")

    def argv(self, after="exit"):
        return ["/bin/sh", "-c", f"echo >{self.path}; {after}"]


class Local(http.client.HTTPConnection):
    """HTTP on a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))


class LocalTransport(xmlrpc.client.Transport):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def make_connection(self, host):
        return Local(self.path)


def quiet(command, **more):
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, **more)


def until(check, within=30):
    end = time.monotonic() + within
    while not check():
        if time.monotonic() > end:
            raise TimeoutError("it did not start")
        time.sleep(0.02)


class Bare:
    name, daemon = "bare fork and exec", None

    def __init__(self, acts, _scratch):
        self.acts = acts

    def start(self, _number):
        process = quiet(self.acts.argv())
        self.acts.wait(1)
        return process

    def after(self, process):
        process.wait()

    def crowd(self):
        self.all = [quiet(self.acts.argv("exec sleep 600")) for _ in range(CROWD)]

    def end(self):
        for process in getattr(self, "all", []):
            process.kill()
            process.wait()


class Gantline:
    name = "gantline, API"

    def __init__(self, acts, scratch, program):
        self.acts, self.program = acts, program
        self.environ = {**os.environ, "GANTLINE_HOME": str(scratch / "gantline"), "GANTLINE_LOG": "error"}
        self.daemon = quiet([program, "up", "--port", "0"], env=self.environ)
        self.socket = scratch / "gantline/run/node.sock"
        until(self.socket.exists)
        self.connection = Local(self.socket)

    def ask(self, connection, method, path, body=None):
        headers = {"content-type": "application/json"} if body else {}
        connection.request(method, path, body and json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(text.decode())
        return json.loads(text) if text else None

    def start(self, _number):
        agent = self.ask(self.connection, "POST", "/v1/agents", {"argv": self.acts.argv()})
        self.acts.wait(1)
        return agent["agentId"]

    def after(self, agent):
        path = f"/v1/agents/{agent}"
        until(lambda: self.ask(self.connection, "GET", path)["state"] == "exited")
        self.ask(self.connection, "DELETE", path)

    def crowd(self):
        body = {"argv": self.acts.argv("exec sleep 600")}

        def some(count):
            connection = Local(self.socket)
            for _ in range(count):
                self.ask(connection, "POST", "/v1/agents", body)

        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            list(pool.map(some, [CROWD // 10] * 10))

    def end(self):
        subprocess.run([self.program, "kill", "--all", "-9"], env=self.environ, capture_output=True)
        time.sleep(0.5)
        self.daemon.terminate()
        self.daemon.wait()


class GantlineCli(Gantline):
    name, daemon = "gantline spawn", None

    def __init__(self, api):
        self.api, self.acts = api, api.acts

    def start(self, _number):
        command = [self.api.program, "spawn", "--", *self.acts.argv()]
        ran = subprocess.run(command, env=self.api.environ, capture_output=True, check=True)
        self.acts.wait(1)
        return ran.stdout.decode().strip()

    def after(self, agent):
        self.api.after(agent)

    crowd = None

    def end(self):
        pass


class GantlineService(Gantline):
    """An agent with more than a command: it is on the disk before the answer, so that also the next
    node looks after it."""

    name, daemon, crowd = "gantline, API, service", None, None

    def __init__(self, api):
        self.api, self.acts, self.connection = api, api.acts, api.connection

    def start(self, _number):
        service = {"argv": self.acts.argv(), "restart": "on-failure"}
        agent = self.ask(self.connection, "POST", "/v1/agents", service)
        self.acts.wait(1)
        return agent["agentId"]

    def end(self):
        pass


class Pueue:
    """Its queue is looked at every so often: what is added waits for that."""

    name = "pueue add, queued"

    def __init__(self, acts, scratch, directory):
        self.acts, self.client = acts, directory / "pueue"
        home = scratch / "pueue"
        home.mkdir()
        self.environ = {**os.environ, "HOME": str(home), "XDG_RUNTIME_DIR": str(home)}
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            self.environ.pop(name, None)
        self.daemon = quiet([directory / "pueued"], env=self.environ)
        until(lambda: self.ask("status").returncode == 0)
        self.ask("parallel", str(CROWD))

    def ask(self, *arguments):
        return subprocess.run([self.client, *arguments], env=self.environ, capture_output=True)

    def start(self, _number):
        self.ask("add", "--", f"echo >{self.acts.path}")
        self.acts.wait(1)

    def after(self, _):
        pass

    crowd = None

    def end(self):
        self.ask("kill", "--all")
        self.daemon.terminate()
        self.daemon.wait()


class PueueAtOnce(Pueue):
    """The same daemon, told not to wait: the twin of what Gantline does."""

    name = "pueue add --immediate"

    def __init__(self, queued):
        self.queued, self.acts = queued, queued.acts
        self.client, self.environ, self.daemon = queued.client, queued.environ, queued.daemon

    def start(self, _number):
        self.ask("add", "--immediate", "--", f"echo >{self.acts.path}")
        self.acts.wait(1)

    def crowd(self):
        self.ask("clean")
        for _ in range(CROWD):
            self.ask("add", "--immediate", "--", f"echo >{self.acts.path}; exec sleep 600")

    def end(self):
        pass


class Supervisor:
    name = "supervisord, XML-RPC"

    def __init__(self, acts, scratch, directory, starts):
        self.acts = acts
        home = scratch / "supervisor"
        home.mkdir()
        self.socket = home / "sock"
        settings = [f"[unix_http_server]\nfile={self.socket}", f"[supervisord]\nnodaemon=true\nminfds=4096\nlogfile={home}/log\npidfile={home}/pid\nchildlogdir={home}",
                    "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface"]
        common = "autostart=false\nautorestart=false\nstartsecs=0"
        act = f"/bin/sh -c 'echo >{acts.path}'"
        settings.append(f"[program:one]\ncommand={act}\n{common}\nnumprocs={starts}\nprocess_name=%(process_num)d")
        settings.append(f"[program:crowd]\ncommand=/bin/sh -c 'echo >{acts.path}; exec sleep 600'\n{common}\nnumprocs={CROWD}\nprocess_name=%(process_num)d")
        (home / "conf").write_text("\n\n".join(settings))
        self.daemon = quiet([directory / "supervisord", "-c", home / "conf"])
        until(self.socket.exists)
        self.server = xmlrpc.client.ServerProxy("http://localhost", LocalTransport(self.socket)).supervisor

    def start(self, number):
        self.server.startProcess(f"one:{number}", False)
        self.acts.wait(1)

    def after(self, _):
        pass

    def crowd(self):
        self.server.startProcessGroup("crowd", False)

    def end(self):
        self.daemon.terminate()
        self.daemon.wait()


def usage(pid):
    """Resident bytes and processor seconds of a process."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    resident = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return resident, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("gantline", type=pathlib.Path)
    parser.add_argument("--pueue", type=pathlib.Path)
    parser.add_argument("--supervisor", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--idle", type=float, default=30)
    parser.add_argument("--json", type=pathlib.Path)
    asked = parser.parse_args()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="bench-start."))
    acts = Acts(scratch / "acts")
    contestants = []
    try:
        api = Gantline(acts, scratch, asked.gantline.resolve())
        contestants += [Bare(acts, scratch), api, GantlineService(api), GantlineCli(api)]
        if asked.pueue:
            queued = Pueue(acts, scratch, asked.pueue)
            contestants += [queued, PueueAtOnce(queued)]
        if asked.supervisor:
            starts = (asked.rounds + 1) * STARTS
            contestants.append(Supervisor(acts, scratch, asked.supervisor, starts))
        told = {one.name: {} for one in contestants}
        starting(contestants, asked.rounds, told)
        crowding(contestants, asked.idle, told)
    finally:
        for one in contestants:
            one.end()
        shutil.rmtree(scratch, ignore_errors=True)
    show(told)
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=2) + "\n")


def starting(contestants, rounds, told):
    """Each round goes through all of them, and the next one backwards. The first does not count."""
    took = {one.name: [] for one in contestants}
    for number in range(rounds + 1):
        for one in contestants if number % 2 else reversed(contestants):
            these = []
            for start in range(STARTS):
                begun = time.perf_counter()
                started = one.start(number * STARTS + start)
                these.append((time.perf_counter() - begun) * 1000)
                one.after(started)
            if number:
                took[one.name].append(these)
    for name, rounds_of in took.items():
        every = sorted(ms for these in rounds_of for ms in these)
        medians = [statistics.median(these) for these in rounds_of]
        told[name]["startMs"] = {
            "p50": statistics.median(every), "p99": every[int(len(every) * 0.99) - 1],
            "medianLeast": min(medians), "medianMost": max(medians),
        }


def crowding(contestants, idle, told):
    for one in contestants:
        if one.crowd is None:
            continue
        begun = time.perf_counter()
        one.crowd()
        one.acts.wait(CROWD)
        told[one.name]["hundredMs"] = (time.perf_counter() - begun) * 1000
    watched = [one for one in contestants if one.daemon and one.crowd]
    time.sleep(2)
    before = {one.name: usage(one.daemon.pid)[1] for one in watched}
    time.sleep(idle)
    for one in watched:
        resident, seconds = usage(one.daemon.pid)
        cpu = 100 * (seconds - before[one.name]) / idle
        told[one.name]["idle"] = {"residentBytes": resident, "cpuPercent": cpu, "seconds": idle}


def show(told):
    print(f"{'':24} {'p50 ms':>8} {'p99 ms':>8}  {'medians':>15} {'100 at once':>12} {'idle RSS':>10} {'idle CPU':>9}")
    for name, of in told.items():
        start, idle = of["startMs"], of.get("idle")
        spread = f"{start['medianLeast']:.2f} to {start['medianMost']:.2f}"
        hundred = f"{of['hundredMs']:.0f} ms" if "hundredMs" in of else ""
        resident = f"{idle['residentBytes'] / 1e6:.1f} MB" if idle else ""
        cpu = f"{idle['cpuPercent']:.2f} %" if idle else ""
        print(f"{name:24} {start['p50']:8.2f} {start['p99']:8.2f}  {spread:>15} {hundred:>12} {resident:>10} {cpu:>9}")
    api, cli = told["gantline, API"], told["gantline spawn"]
    bars = [
        ("API call to running, p50", api["startMs"]["p50"], 3, "ms"),
        ("gantline spawn, p50", cli["startMs"]["p50"], 15, "ms"),
        ("idle node with 100 agents", api["idle"]["residentBytes"] / 1e6, 20, "MB"),
        ("the same, processor", api["idle"]["cpuPercent"], 0.1, "%"),
    ]
    for what, value, bar, unit in bars:
        print(f"{'met   ' if value <= bar else 'MISSED'} {what}: {value:.2f} {unit}, bar {bar} {unit}")


if __name__ == "__main__":
    sys.exit(main())
