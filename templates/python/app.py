"""The program: it serves until it is told to stop."""

import json
import os
import signal
import sys
import threading

from service import Service, Settings, serve


def log(msg, **fields):
    print(json.dumps({"level": "INFO", "msg": msg, **fields}), file=sys.stderr, flush=True)


def main():
    try:
        settings = Settings.read(os.environ)
        service = Service(settings)
        server = serve(service)
    except (ValueError, OSError) as error:
        print(f"template-service: {error}", file=sys.stderr)
        return 1

    def stop(_signal, _frame):
        service.draining = True
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log("serving", address=f":{server.server_address[1]}", version=settings.version)
    server.serve_forever(poll_interval=0.1)
    service.wait_idle(seconds=15)
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
