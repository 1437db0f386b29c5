"""The bus: heartbeats by ZeroMQ PUB/SUB and commands by ZeroMQ, over ipc sockets in the home's run/ folder."""
