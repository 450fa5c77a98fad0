"""A small Func: the same places, ports, roles and states as the product, and real use of MySQL, Redis and MQTT.

    func.py server [--mqtt USER:PASSWORD]
                                answers on 8088. Before its set-up / is the page for it, and a POST to /setup with KEY=VALUE
                                lines does it: the configuration has them then, and _IS_INSTALLED. Afterwards / redirects
                                to /client-app, which tells what it sees
    func.py worker QUEUE...     takes tasks from these queues and writes a row for each
    func.py beat                puts a task into every queue, each few seconds

Workers and beat wait for the set-up. What only the server needs is imported by the server: six of these start at once
on an emulated machine.
"""

import json
import logging
import signal
import sys
import threading
import time

import pymysql
import redis
import yaml

CONFIG = "/data/user-config.yaml"
LOG = "/data/logs/dataflux-func.log"
BEAT_SECONDS = 3
TABLE = (
    "CREATE TABLE IF NOT EXISTS func_task (id BIGINT AUTO_INCREMENT PRIMARY KEY, queue INT NOT NULL,"
    " worker VARCHAR(64) NOT NULL, done TIMESTAMP DEFAULT CURRENT_TIMESTAMP)"
)
INSERT = "INSERT INTO func_task (queue, worker) VALUES (%s, %s)"


def queue_key(number):
    return f"dataflux-func#workerQueue@{number}"


class Func:
    def __init__(self, role):
        self.setting_up = threading.RLock()  # else who waits for the set-up would read the old configuration into its middle
        self.read()
        self.version = open("version", encoding="utf-8").read().strip()
        self.mqtt = "none"
        level = str(self.config.get("LOG_LEVEL", "INFO"))
        logging.basicConfig(
            level=logging.CRITICAL if level == "NONE" else level,
            format=f"%(asctime)s %(levelname)s [{role}] %(message)s",
            handlers=[logging.FileHandler(LOG), logging.StreamHandler()],
        )
        logging.info("version %s starts", self.version)

    def read(self):
        with self.setting_up, open(CONFIG, encoding="utf-8") as file:
            self.config = yaml.safe_load(file) or {}

    def is_set_up(self):
        return self.config.get("_IS_INSTALLED") is True

    def wait_for_set_up(self):
        while not self.is_set_up():
            time.sleep(1)
            self.read()

    def mysql(self):
        get = self.config.get
        return pymysql.connect(
            host=get("MYSQL_HOST"), port=int(get("MYSQL_PORT", 3306)), user=get("MYSQL_USER"),
            password=str(get("MYSQL_PASSWORD", "")), database=get("MYSQL_DATABASE"),
            charset="utf8mb4", autocommit=True, connect_timeout=5,
        )

    def sql(self, statement, *values):
        with self.mysql() as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return cursor.fetchall()

    def redis(self):
        get = self.config.get
        return redis.Redis(
            host=get("REDIS_HOST"), port=int(get("REDIS_PORT", 6379)), db=int(get("REDIS_DATABASE", 0)),
            password=get("REDIS_PASSWORD") or None, socket_connect_timeout=5,
        )

    def connect(self):
        """Waits for the databases; a fresh MySQL takes its time."""
        while True:
            try:
                self.sql(TABLE)
                self.redis().ping()
                return
            except (pymysql.Error, redis.RedisError, OSError) as error:
                logging.warning("databases: %s", error)
                time.sleep(2)

    def watch_mqtt(self, user, password):
        """The data source that the server is told to make: a broker that it reaches as `mqtt`."""
        import paho.mqtt.client as mqtt

        client = mqtt.Client()
        client.username_pw_set(user, password)

        def on_connect(_client, _data, _flags, code):
            self.mqtt = "connected" if code == 0 else f"refused ({code})"
            logging.info("MQTT data source: %s", self.mqtt)

        client.on_connect = on_connect
        self.mqtt = "not connected"
        while True:
            try:
                client.connect("mqtt", 1883)
                return client.loop_start()
            except OSError as error:
                logging.warning("MQTT data source: %s", error)
                time.sleep(2)


def set_up(func, text):
    """What the set-up page sends joins what is there."""
    with func.setting_up:
        func.read()
        for line in text.splitlines():
            key, _, value = line.partition("=")
            func.config[key] = yaml.safe_load(value)
        func.connect()
        func.config["_IS_INSTALLED"] = True
        with open(CONFIG, "w", encoding="utf-8") as file:
            yaml.safe_dump(func.config, file)


def server(func, *options):
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    ready = threading.Event()
    if func.is_set_up():
        migrate(func)

    def prepare():
        func.wait_for_set_up()
        func.connect()
        ready.set()
        if options[:1] == ("--mqtt",):
            func.watch_mqtt(*options[1].split(":", 1))

    class Handler(BaseHTTPRequestHandler):
        wbufsize = -1  # header and body in one go: a health check hangs up early

        def do_GET(self):
            if self.path == "/" and not func.is_set_up():
                self.answer(200, "<!DOCTYPE html><title>Set up DataFlux Func</title>")
            elif self.path == "/":
                self.answer(302, "Found. Redirecting to /client-app", Location="/client-app")
            elif self.path == "/client-app":
                state = {"version": func.version, "setUp": ready.is_set(), "mqtt": func.mqtt}
                if ready.is_set():
                    state["visits"] = func.redis().incr("dataflux-func#visits")
                    state["tasks"] = func.sql("SELECT COUNT(*) FROM func_task")[0][0]
                self.answer(200, json.dumps(state))
            else:
                self.answer(404, "not found")

        def do_POST(self):
            if self.path != "/setup" or func.is_set_up():
                return self.answer(404, "not found")
            set_up(func, self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.answer(200, "done")

        def answer(self, code, text, **headers):
            body = text.encode()
            self.send_response(code)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            logging.info(format, *args)

    threading.Thread(target=prepare, daemon=True).start()
    ThreadingHTTPServer(("", 8088), Handler).serve_forever()


def migrate(_func):
    """This version leaves the database as it is. Tests put another in its place."""


def worker(func, queues):
    func.wait_for_set_up()
    func.connect()
    name, keys = "queues " + " ".join(queues), [queue_key(queue) for queue in queues]
    while True:
        try:
            with func.mysql() as database, func.redis() as broker:
                while True:
                    task = broker.brpop(keys, timeout=5)
                    if task:
                        with database.cursor() as cursor:
                            cursor.execute(INSERT, (int(task[0].rsplit(b"@", 1)[1]), name))
        except (pymysql.Error, redis.RedisError, OSError) as error:
            logging.warning("%s: %s", name, error)
            time.sleep(2)


def beat(func):
    func.wait_for_set_up()
    func.connect()
    broker = func.redis()
    while True:
        try:
            tasks = broker.pipeline()
            for queue in range(10):
                tasks.lpush(queue_key(queue), time.time())
            tasks.execute()
        except (redis.RedisError, OSError) as error:
            logging.warning("beat: %s", error)
        time.sleep(BEAT_SECONDS)


def main():
    role, *queues = sys.argv[1:]
    # The first process of a container has no default action; without one every stop waits for Docker's patience to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    func = Func(role)
    if role == "server":
        server(func, *queues)
    elif role == "worker":
        worker(func, queues)
    else:
        beat(func)


if __name__ == "__main__":
    main()
