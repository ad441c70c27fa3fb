# ruff: noqa: E501
"""Real servers from Debian's packages, configured for loopback in a folder of their own, with the model that each uses.

`classify` must find the model that the server's documentation states. The names of the servers appear here, and nowhere
in the code under test.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from threadserver.inspection.classification import classify
from threadserver.inspection.speech import speech
from threadserver.inspection.verdict import Verdict
from threadserver.submission.starting import Started, started

PROGRAMS = Path(__file__).with_name("programs")
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
_COMPILING = threading.Lock()
MPMS = "/usr/lib/apache2/modules"


@dataclass(frozen=True)
class Known:
    """A server whose model is known."""

    name: str
    model: str
    tool: str
    command: Callable[[Path], list[str]]
    workers: int | None = None
    mechanism: str | None = None
    send: tuple[str, ...] = ()
    root: bool = False
    """True for a server that must be started as root."""
    module: str = ""
    """A module that the system's Python must have."""
    rings: bool = False
    """True for a server that needs io_uring."""


def nginx(folder: Path, workers: int, method: str = "epoll") -> list[str]:
    (folder / "nginx.conf").write_text(
        f"daemon off; worker_processes {workers}; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{ worker_connections 128; use {method}; }}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;"
        f" uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        "server { listen 127.0.0.1:@PORT@; location / { return 200 hello; } } }\n"
    )
    return with_port(
        folder / "nginx.conf", "nginx", "-p", str(folder), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"
    )


def apache(folder: Path, mpm: str, settings: str) -> list[str]:
    (folder / "apache.conf").write_text(
        f"ServerRoot {folder}\nListen 127.0.0.1:@PORT@\nPidFile {folder}/pid\nErrorLog {folder}/error.log\n"
        f"LoadModule mpm_{mpm}_module {MPMS}/mod_mpm_{mpm}.so\nLoadModule authz_core_module {MPMS}/mod_authz_core.so\n"
        f"ServerName localhost\nDocumentRoot {folder}\nDefaultRuntimeDir {folder}\nUser nobody\nGroup nogroup\n{settings}\n"
    )
    return with_port(folder / "apache.conf", "/usr/sbin/apache2", "-D", "FOREGROUND", "-f", f"{folder}/apache.conf")


def lighttpd(folder: Path, settings: str) -> list[str]:
    (folder / "lighttpd.conf").write_text(
        f'server.document-root = "{folder}"\nserver.port = @PORT@\nserver.bind = "127.0.0.1"\n{settings}\n'
    )
    return with_port(folder / "lighttpd.conf", "lighttpd", "-D", "-f", f"{folder}/lighttpd.conf")


def haproxy(folder: Path, threads: int) -> list[str]:
    (folder / "haproxy.cfg").write_text(
        f"global\n nbthread {threads}\ndefaults\n mode http\n timeout client 30s\n timeout server 30s\n timeout connect 5s\n"
        "frontend f\n bind 127.0.0.1:@PORT@\n http-request return status 200\n"
    )
    return with_port(folder / "haproxy.cfg", "haproxy", "-db", "-f", f"{folder}/haproxy.cfg")


def with_port(file: Path, *command: str) -> list[str]:
    """Run a command after the port has been put into its configuration."""
    return ["sh", "-c", f'sed -i "s/@PORT@/$0/" {file}; exec "$@"', "{port}", *command]


def configured(name: str, text: str, *command: str) -> Callable[[Path], list[str]]:
    """A server with one configuration file; ``FOLDER`` stands for its folder, in the command, too."""

    def make(folder: Path) -> list[str]:
        (folder / name).write_text(text.replace("FOLDER", str(folder)))
        return with_port(folder / name, *(word.replace("FOLDER", str(folder)) for word in command))

    return make


def plain(*command: str) -> Callable[[Path], list[str]]:
    """A server without a configuration file."""
    return lambda folder: [word.replace("FOLDER", str(folder)) for word in command]


def scripted(name: str, text: str, *command: str) -> Callable[[Path], list[str]]:
    """A server that runs a small script of ours."""

    def make(folder: Path) -> list[str]:
        (folder / name).write_text(text)
        return [word.replace("FOLDER", str(folder)) for word in command]

    return make


def postgres(folder: Path) -> list[str]:
    newest = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data = folder / "data"
    run = (
        f"{newest}/initdb -D {data} -A trust -N >/dev/null && exec {newest}/postgres -D {data} -k {folder} -h $0 -p $1"
    )
    return as_user(folder, "postgres", "sh", "-c", run, "{host}", "{port}")


def mariadb(folder: Path, *options: str) -> list[str]:
    data = folder / "data"
    run = (
        f"mariadb-install-db --no-defaults --datadir={data} --auth-root-authentication-method=normal --skip-test-db >/dev/null 2>&1"
        f" && exec mariadbd --no-defaults --datadir={data} --socket={folder}/s --pid-file={folder}/p --bind-address=$0 --port=$1 {' '.join(options)}"
    )
    return as_user(folder, "mysql", "sh", "-c", run, "{host}", "{port}")


def as_user(folder: Path, user: str, *command: str) -> list[str]:
    """Run as a user other than root, as some servers require; an ordinary user stays the same user."""
    if os.geteuid() != 0:
        return list(command)
    shutil.chown(folder, user)
    for parent in (folder, *folder.parents):
        if parent.stat().st_uid == 0 and not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o111)
    return ["runuser", "-u", user, "--", *command]


def sshd(folder: Path) -> list[str]:
    run = (
        f"mkdir -p /run/sshd; ssh-keygen -q -t ed25519 -N '' -f {folder}/key && exec /usr/sbin/sshd -D -e -f /dev/null"
        f" -h {folder}/key -o ListenAddress=$0 -o Port=$1 -o PidFile={folder}/pid"
    )
    return ["sh", "-c", run, "{host}", "{port}"]


def dropbear(folder: Path) -> list[str]:
    run = f"dropbearkey -t ed25519 -f {folder}/key >/dev/null 2>&1 && exec dropbear -F -E -r {folder}/key -p $0:$1 -P {folder}/pid"
    return ["sh", "-c", run, "{host}", "{port}"]


def slapd(folder: Path) -> list[str]:
    (folder / "slapd.conf").write_text(
        f"include /etc/ldap/schema/core.schema\ndatabase ldif\nsuffix dc=x\ndirectory {folder}\n"
    )
    return ["/usr/sbin/slapd", "-d", "0", "-h", "ldap://{host}:{port}/", "-f", f"{folder}/slapd.conf"]


def own(kind: str, *where: str) -> Callable[[Path], list[str]]:
    """One of our own small servers, at an address of its own choice or ours."""
    return plain(PYTHON, str(PROGRAMS / "server.py"), kind, *(where or ("{host}", "{port}")))


def inside(*command: str) -> Callable[[str], Callable[[Path], list[str]]]:
    """One of our own small servers in namespaces that a command makes, with a loopback interface that is up."""
    up = ("sh", "-c", 'ip link set lo up 2>/dev/null; exec "$@"', "sh")
    return lambda kind: plain(*command, *up, PYTHON, str(PROGRAMS / "server.py"), kind, "{host}", "{port}")


@cache
def compiled() -> Path:
    """Compile the small servers in C, once; the program stays in a folder that is removed at exit."""
    folder = Path(tempfile.mkdtemp(prefix="known-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = ["gcc", "-O1", "-Wall", "-pthread", "-o", folder / "small", PROGRAMS / "small.c"]
    subprocess.run(command, check=True)
    return folder / "small"


def in_c(kind: str) -> Callable[[Path], list[str]]:
    """One of our own small servers in C."""

    def make(folder: Path) -> list[str]:
        with _COMPILING:
            return [str(compiled()), kind, "{host}", "{port}"]

    return make


def python(text: str) -> Callable[[Path], list[str]]:
    """A few lines of Python with the standard library's servers; HOST and PORT are defined in it."""
    return plain(PYTHON, "-c", f"import sys\nHOST, PORT = sys.argv[1], int(sys.argv[2])\n{text}", "{host}", "{port}")


WSGI = (
    "def app(environ, start_response):\n"
    "    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '2')])\n"
    "    return [b'ok']\n"
)
HANDLER = (
    "import socketserver\nclass Echo(socketserver.StreamRequestHandler):\n    def handle(self):\n"
    "        for line in self.rfile:\n            self.wfile.write(line)\n"
)
NODE = "require('http').createServer((q, s) => s.end('hello')).listen(+process.argv[2], process.argv[1])"
NODE_CLUSTER = (
    "const c = require('cluster'); if (c.isPrimary) { for (let i = 0; i < 3; i++) c.fork() }"
    " else require('http').createServer((q, s) => s.end('hello')).listen(+process.argv[2], process.argv[1])"
)
INETD = "127.0.0.1:@PORT@ stream tcp nowait root /bin/cat cat\n"
GUNICORN = (PYTHON, "-m", "gunicorn", "--chdir", "FOLDER", "-b", "{host}:{port}")
RACK = "run lambda { |e| [200, {'content-type' => 'text/plain'}, ['ok']] }\n"
STUNNEL = "foreground = yes\npid =\n[s]\naccept = 127.0.0.1:@PORT@\nconnect = 127.0.0.1:1\nciphers = PSK\nPSKsecrets = FOLDER/psk\n"
VSFTPD = (
    "listen=YES\nbackground=NO\nlisten_address=127.0.0.1\nlisten_port=@PORT@\nanonymous_enable=YES\nanon_root=FOLDER\n"
    "secure_chroot_dir=FOLDER\nseccomp_sandbox=NO\n"
)


def stunnel(folder: Path) -> list[str]:
    (folder / "psk").write_text("test:0123456789abcdef0123456789abcdef\n")
    (folder / "psk").chmod(0o600)
    return configured("stunnel.conf", STUNNEL, "stunnel4", "FOLDER/stunnel.conf")(folder)


ITERATIVE, THREADS, POOL, FORKS = "iterative", "thread-per-connection", "thread-pool", "fork-per-connection"
PREFORK, LOOP, LOOPS, WORKERS = "prefork", "event-loop", "event-loops", "event-loop-with-workers"

SERVERS = [
    Known("http.server", ITERATIVE, PYTHON, python("from http.server import *\nHTTPServer((HOST, PORT), SimpleHTTPRequestHandler).serve_forever()")),
    Known("socketserver", ITERATIVE, PYTHON, python(HANDLER + "socketserver.TCPServer((HOST, PORT), Echo).serve_forever()"), send=(r"hello\n",)),
    Known("wsgiref", ITERATIVE, PYTHON, python("from wsgiref.simple_server import *\nmake_server(HOST, PORT, demo_app).serve_forever()")),
    Known("nc -k", ITERATIVE, "nc", plain("nc", "-l", "-k", "-s", "{host}", "-p", "{port}")),
    Known("iperf3", ITERATIVE, "iperf3", plain("iperf3", "-s", "-B", "{host}", "-p", "{port}")),
    Known("threading http", THREADS, PYTHON, python("from http.server import *\nThreadingHTTPServer((HOST, PORT), SimpleHTTPRequestHandler).serve_forever()")),
    Known("threading socketserver", THREADS, PYTHON, python(HANDLER + "socketserver.ThreadingTCPServer((HOST, PORT), Echo).serve_forever()"), send=(r"hello\n",)),
    Known("mariadb", THREADS, "mariadbd", mariadb),
    Known("mariadb pool, silent", "undetermined", "mariadbd", lambda f: mariadb(f, "--thread-handling=pool-of-threads", "--thread-pool-size=2")),
    Known("stunnel", THREADS, "stunnel4", stunnel),
    Known("tinyproxy", THREADS, "tinyproxy", configured("t.conf", "Port @PORT@\nListen 127.0.0.1\nTimeout 60\nMaxClients 100\n", "tinyproxy", "-d", "-c", "FOLDER/t.conf")),
    Known("microsocks", THREADS, "microsocks", plain("microsocks", "-i", "{host}", "-p", "{port}")),
    Known("webrick", THREADS, "ruby", plain("ruby", "-rwebrick", "-e", "WEBrick::HTTPServer.new(BindAddress: ARGV[0], Port: ARGV[1].to_i).start", "{host}", "{port}")),
    Known("privoxy", THREADS, "privoxy", configured("p.conf", "listen-address 127.0.0.1:@PORT@\n", "privoxy", "--no-daemon", "FOLDER/p.conf")),
    Known("cheroot", POOL, PYTHON, module="cheroot", command=scripted("app.py", WSGI + "import sys, cheroot.wsgi\ncheroot.wsgi.Server((sys.argv[1], int(sys.argv[2])), app, numthreads=5).start()\n", PYTHON, "FOLDER/app.py", "{host}", "{port}")),
    Known("apache worker", POOL, "/usr/sbin/apache2", lambda f: apache(f, "worker", "StartServers 1\nThreadsPerChild 6\nMaxRequestWorkers 6\nServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 6\nAcceptFilter http none"), workers=6),
    Known("gunicorn gthread", POOL, "gunicorn", scripted("app.py", WSGI, *GUNICORN, "-k", "gthread", "--threads", "4", "--keep-alive", "0", "app:app"), workers=4),
    Known("postgres", FORKS, "postgres", postgres),
    Known("sshd", FORKS, "/usr/sbin/sshd", sshd, root=True),
    Known("dropbear", FORKS, "dropbear", dropbear),
    Known("socat", FORKS, "socat", plain("socat", "TCP-LISTEN:{port},bind={host},fork,reuseaddr", "EXEC:cat")),
    Known("socat pipe", FORKS, "socat", plain("socat", "TCP-LISTEN:{port},bind={host},fork,reuseaddr", "PIPE")),
    Known("tcpserver", FORKS, "tcpserver", plain("tcpserver", "-HRl0", "{host}", "{port}", "cat")),
    Known("inetd", FORKS, "inetd", configured("inetd.conf", INETD, "inetd", "-i", "FOLDER/inetd.conf"), root=True),
    Known("rsync", FORKS, "rsync", configured("r.conf", "pid file = FOLDER/pid\n", "rsync", "--daemon", "--no-detach", "--address=127.0.0.1", "--port={port}", "--config=FOLDER/r.conf")),
    Known("git daemon", FORKS, "git", plain("git", "daemon", "--listen={host}", "--port={port}", "--base-path=FOLDER")),
    Known("vsftpd", FORKS, "vsftpd", configured("v.conf", VSFTPD, "vsftpd", "FOLDER/v.conf"), root=True),
    Known("mini-httpd", FORKS, "mini_httpd", plain("mini_httpd", "-D", "-h", "{host}", "-p", "{port}", "-d", "FOLDER", "-u", "root")),
    Known("apache prefork", PREFORK, "/usr/sbin/apache2", lambda f: apache(f, "prefork", "StartServers 4\nMinSpareServers 1\nMaxSpareServers 4\nMaxRequestWorkers 4\nServerLimit 4\nAcceptFilter http none"), workers=4),
    Known("gunicorn sync", PREFORK, "gunicorn", scripted("app.py", WSGI, *GUNICORN, "-w", "3", "app:app"), workers=3),
    Known("gunicorn sync 1", PREFORK, "gunicorn", scripted("app.py", WSGI, *GUNICORN, "-w", "1", "app:app"), workers=1),
    Known("uwsgi", PREFORK, "uwsgi", scripted("app.py", WSGI.replace("def app", "def application"), "uwsgi", "--plugins", "python3", "--http-socket", "{host}:{port}", "--master", "--processes", "3", "--wsgi-file", "FOLDER/app.py", "--socket-timeout", "60"), workers=3),
    Known("distccd", PREFORK, "distccd", plain("distccd", "--no-detach", "--daemon", "--allow", "127.0.0.1", "--listen", "{host}", "--port", "{port}", "-j", "4", "--log-stderr", "--enable-tcp-insecure", "--user", "nobody"), workers=4, send=("DIST00000001ARGC00000002",)),
    Known("redis", LOOP, "redis-server", plain("redis-server", "--bind", "{host}", "--port", "{port}", "--save", "", "--dir", "FOLDER"), mechanism="epoll"),
    Known("redis PING", LOOP, "redis-server", plain("redis-server", "--bind", "{host}", "--port", "{port}", "--save", "", "--dir", "FOLDER"), mechanism="epoll", send=(r"PING\r\n",)),
    Known("nginx 1", LOOP, "nginx", lambda f: nginx(f, 1), mechanism="epoll"),
    Known("lighttpd", LOOP, "lighttpd", lambda f: lighttpd(f, ""), mechanism="epoll"),
    Known("lighttpd poll", LOOP, "lighttpd", lambda f: lighttpd(f, 'server.event-handler = "poll"'), mechanism="poll"),
    Known("haproxy 1", LOOP, "haproxy", lambda f: haproxy(f, 1), mechanism="epoll"),
    Known("memcached 1", LOOP, "memcached", plain("memcached", "-l", "{host}", "-p", "{port}", "-t", "1", "-u", "nobody"), mechanism="epoll"),
    Known("mosquitto", LOOP, "mosquitto", configured("m.conf", "listener @PORT@ 127.0.0.1\nallow_anonymous true\n", "mosquitto", "-c", "FOLDER/m.conf")),
    Known("beanstalkd", LOOP, "beanstalkd", plain("beanstalkd", "-l", "{host}", "-p", "{port}"), mechanism="epoll"),
    Known("ngircd", LOOP, "ngircd", configured("n.conf", "[Global]\nName = a.example\nInfo = x\nListen = 127.0.0.1\nPorts = @PORT@\nServerUID = nobody\nServerGID = nogroup\n[Options]\nPAM = no\n[Limits]\nMaxConnectionsIP = 0\n", "ngircd", "-n", "-f", "FOLDER/n.conf"), mechanism="epoll"),
    Known("node", LOOP, "node", plain("node", "-e", NODE, "{host}", "{port}"), mechanism="epoll"),
    Known("php -S", LOOP, "php", plain("php", "-S", "{host}:{port}", "-t", "FOLDER"), mechanism="select"),
    Known("asyncio", LOOP, PYTHON, python("import asyncio\nasync def echo(r, w):\n    while line := await r.readline():\n        w.write(line)\nasync def main():\n    s = await asyncio.start_server(echo, HOST, PORT)\n    await s.serve_forever()\nasyncio.run(main())"), mechanism="epoll"),
    Known("ncat", LOOP, "ncat", plain("ncat", "-l", "-k", "{host}", "{port}")),
    Known("nginx 3", LOOPS, "nginx", lambda f: nginx(f, 3), workers=3, mechanism="epoll"),
    Known("memcached 4", LOOPS, "memcached", plain("memcached", "-l", "{host}", "-p", "{port}", "-t", "4", "-u", "nobody"), workers=4, mechanism="epoll"),
    Known("haproxy 3", LOOPS, "haproxy", lambda f: haproxy(f, 3), workers=3, mechanism="epoll"),
    Known("lighttpd 3", LOOPS, "lighttpd", lambda f: lighttpd(f, "server.max-worker = 3"), workers=3, mechanism="epoll"),
    Known("node cluster", LOOPS, "node", plain("node", "-e", NODE_CLUSTER, "{host}", "{port}"), workers=3, mechanism="epoll"),
    Known("unbound 3", LOOPS, "unbound", configured("u.conf", "server:\n interface: 127.0.0.1@@PORT@\n num-threads: 3\n do-daemonize: no\n use-syslog: no\n username: \"\"\n chroot: \"\"\n pidfile: FOLDER/p\n directory: FOLDER\n incoming-num-tcp: 64\n tcp-idle-timeout: 30000\n outgoing-range: 64\n so-reuseport: yes\n", "unbound", "-d", "-c", "FOLDER/u.conf"), workers=3),
    Known("slapd", WORKERS, "/usr/sbin/slapd", slapd, mechanism="epoll"),
    Known("waitress", WORKERS, PYTHON, module="waitress", command=scripted("app.py", WSGI + "import sys, waitress\nwaitress.serve(app, host=sys.argv[1], port=int(sys.argv[2]), threads=4)\n", PYTHON, "FOLDER/app.py", "{host}", "{port}"), workers=4),
    Known("puma", WORKERS, "puma", scripted("config.ru", RACK, "puma", "-b", "tcp://{host}:{port}", "-t", "4:4", "FOLDER/config.ru")),
    Known("apache event", WORKERS, "/usr/sbin/apache2", lambda f: apache(f, "event", "StartServers 1\nThreadsPerChild 6\nMaxRequestWorkers 6\nServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 6\nAcceptFilter http none"), send=(r"GET / HTTP/1.1\r\nHost: x\r\n\r\n",)),
    Known("apache event silent", WORKERS, "/usr/sbin/apache2", lambda f: apache(f, "event", "StartServers 1\nThreadsPerChild 6\nMaxRequestWorkers 6\nServerLimit 1\nMinSpareThreads 1\nMaxSpareThreads 6")),
]  # fmt: skip

OWN = [
    *(Known(kind, ITERATIVE, PYTHON, own(kind)) for kind in ("iterative", "iterative_small_backlog", "iterative_joined", "iterative_locked", "iterative_forked")),
    *(Known(kind, THREADS, PYTHON, own(kind)) for kind in ("threads", "threads_with_timeout", "threads_with_selectors", "threads_on_first_bytes", "deferred", "limited", "daemon")),
    *(Known(kind, POOL, PYTHON, own(kind), workers=4) for kind in ("pool_prethreaded", "pool_queue", "pool_with_timeout")),
    Known("pool_of_one", POOL, PYTHON, own("pool_of_one"), workers=1),
    Known("pool_lazy", POOL, PYTHON, own("pool_lazy"), workers=5),
    Known("pool_lazy_large", POOL, PYTHON, own("pool_lazy_large"), workers=70),
    *(Known(kind, FORKS, PYTHON, own(kind)) for kind in ("forks", "forks_leaking", "forks_twice")),
    Known("prefork", PREFORK, PYTHON, own("prefork"), workers=4),
    *(Known(kind, PREFORK, PYTHON, own(kind), workers=3) for kind in ("prefork_locked", "prefork_selecting", "prefork_passing", "prefork_reuse_port")),
    Known("loop_select", LOOP, PYTHON, own("loop_select"), mechanism="select"),
    Known("loop_poll", LOOP, PYTHON, own("loop_poll"), mechanism="poll"),
    *(Known(kind, LOOP, PYTHON, own(kind), mechanism="epoll") for kind in ("loop_epoll", "loop_with_helpers", "loop_with_idle_decoys", "loop_with_peeking_decoys", "loop_with_polling_decoys", "supervised")),
    *(Known(kind, LOOP, PYTHON, own(kind)) for kind in ("loop_tired", "napping_behind_peekers", "napping_behind_pollers")),
    *(Known(kind, LOOPS, PYTHON, own(kind), workers=3, mechanism="epoll") for kind in ("loops_processes", "loops_threads")),
    *(Known(kind, WORKERS, PYTHON, own(kind), workers=4, mechanism="epoll") for kind in ("loop_and_workers", "loop_then_pool", "pool_before_loop")),
    *(Known(kind, WORKERS, PYTHON, own(kind), mechanism="epoll") for kind in ("loop_forking", "loop_with_executor")),
]  # fmt: skip

BWRAP = ("bwrap", "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev")
ELSEWHERE = [
    *(Known(f"{kind}, local", model, PYTHON, own(kind, "FOLDER/socket", "0")) for kind, model in (
        ("threads", THREADS), ("loop_epoll", LOOP), ("forks", FORKS), ("pool_queue", POOL), ("prefork", PREFORK), ("iterative", ITERATIVE))),
    *(Known(f"{kind}, IPv6", model, PYTHON, own(kind, "::1", "{port}")) for kind, model in (("threads", THREADS), ("loop_poll", LOOP))),
    Known("threads, unshare -n", THREADS, "unshare", inside("unshare", "-n")("threads"), root=True),
    Known("loop_epoll, unshare -r -n", LOOP, "unshare", inside("unshare", "-r", "-n")("loop_epoll")),
    Known("threads, unshare -p", THREADS, "unshare", inside("unshare", "-p", "-f", "-n", "--mount-proc")("threads"), root=True),
    Known("forks, unshare -r -p", FORKS, "unshare", inside("unshare", "-r", "-p", "-f", "-n")("forks")),
    *(Known(f"{kind}, bwrap", model, "bwrap", inside(*BWRAP)(kind)) for kind, model in (
        ("threads", THREADS), ("loop_select", LOOP), ("prefork", PREFORK), ("loop_with_executor", WORKERS))),
]  # fmt: skip

IN_C = [
    Known("C iterative", ITERATIVE, "gcc", in_c("iterative")),
    *(Known(f"C {kind}", THREADS, "gcc", in_c(kind)) for kind in ("threads", "threads_cached")),
    Known("C threads_rings", THREADS, "gcc", in_c("threads_rings"), rings=True),
    Known("C pool", POOL, "gcc", in_c("pool"), workers=5),
    Known("C forks", FORKS, "gcc", in_c("forks")),
    Known("C prefork", PREFORK, "gcc", in_c("prefork"), workers=4),
    *(Known(f"C loop_{how}", LOOP, "gcc", in_c(f"loop_{how}"), mechanism=how) for how in ("select", "poll", "epoll")),
    Known("C loop_ring", LOOP, "gcc", in_c("loop_ring"), rings=True),
    Known("C loops", LOOPS, "gcc", in_c("loops"), workers=3, mechanism="epoll"),
    Known("C loops_rings", LOOPS, "gcc", in_c("loops_rings"), workers=3, rings=True),
    *(Known(f"C {kind}", WORKERS, "gcc", in_c(kind), mechanism="epoll") for kind in ("loop_sends", "thread_per_request")),
]  # fmt: skip


@contextmanager
def running(known: Known) -> Iterator[Started]:
    """Start a server in a folder that other users can reach, and stop it."""
    with tempfile.TemporaryDirectory(prefix="known-") as name:
        os.chmod(name, 0o755)
        with started(known.command(Path(name)), start_limit=60) as server:
            yield server


def examine(known: Known, time_limit: float = 5.0) -> Verdict:
    """Start a server and classify it."""
    with running(known) as server:
        return classify(
            server.address, speech("auto", known.send), pid=server.pid, keeper=server.keeper, time_limit=time_limit
        )


def missed(known: Known, verdict: Verdict) -> str:
    """Return what is wrong with an answer; empty when it is right."""
    found = (verdict.model, verdict.workers if known.workers else None, verdict.mechanism if known.mechanism else None)
    if found == (known.model, known.workers, known.mechanism):
        return ""
    seen = "".join(f"\n  {one.name}: {one.says}: {one.evidence}" for one in verdict.witnesses)
    return f"{found}: {verdict.sentence}{seen}"
