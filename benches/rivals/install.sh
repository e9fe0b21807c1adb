#!/bin/sh
# What queues.py measures beside weir, by the ordinary clients: Debian's packages and Go's proxy.
# Neither RabbitMQ nor Redis need run as a service; queues.py starts its own.
set -eu
NATS_SERVER=v2.15.2

apt-get install --yes --no-install-recommends rabbitmq-server redis-server util-linux
go install "github.com/nats-io/nats-server/v2@$NATS_SERVER"
cd "$(dirname "$0")"
go mod download
