"""What connections to PostgreSQL are told, through whichever driver: options of its client library."""

import os
import socket

# A server that has gone without a word is noticed in about a minute, and not only after hours.
PATIENCE = {
    "connect_timeout": "30",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}


def process_name() -> str:
    """Which process this is, for whoever looks who holds a lock."""
    return f"process {os.getpid()} (etl) on {socket.gethostname()}"[:63]
