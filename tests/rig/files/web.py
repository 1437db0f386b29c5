"""A kernel of the rig: takes its socket as sd_listen_fds(3) says, and answers everyone with its pid."""

import os
import socket

assert os.environ["LISTEN_PID"] == str(os.getpid())
assert (os.environ["LISTEN_FDS"], os.environ["LISTEN_FDNAMES"]) == ("1", "127.0.0.1_8123")
listener = socket.socket(fileno=3)
while True:
    channel, _ = listener.accept()
    channel.sendall(str(os.getpid()).encode())
    channel.close()
