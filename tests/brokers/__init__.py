"""Real brokers for tests: mosquitto and RabbitMQ as Debian packs them, Kafka and Pulsar from their jars.

python -m tests.brokers fetch      jars into .brokers/, once (needs Maven and Java 17)
python -m tests.brokers            start all four on free ports, print their addresses, stop on Ctrl-C
"""
