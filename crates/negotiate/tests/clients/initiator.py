"""Another implementation of NTLM and SPNEGO as the client of an acceptor.

Usage: initiator.py PROTOCOL USER PASSWORD [CHANNEL]

PROTOCOL is ntlm or negotiate, CHANNEL the application data of the channel binding in hex. Tokens go to standard output
and come from standard input, one a line in hex; `done` from the acceptor ends the exchange, `done TOKEN` brings the last
one. Then messages are sealed both ways, as WinRM does: a line is the signature and the message.
"""

import sys

import spnego
from spnego.channel_bindings import GssChannelBindings


def say(*parts):
    print(" ".join(part.hex() for part in parts), flush=True)


def main():
    protocol, user, password = sys.argv[1:4]
    binding = None
    if len(sys.argv) > 4:
        binding = GssChannelBindings(application_data=bytes.fromhex(sys.argv[4]))
    # As a client of WinRM does it: pypsrp and pywinrm ask for the same.
    client = spnego.client(
        user,
        password,
        hostname="site.example.test",
        service="HTTP",
        channel_bindings=binding,
        protocol=protocol,
        options=spnego.NegotiateOptions.wrapping_winrm,
    )
    token = client.step()
    while token:
        say(token)
        answer = sys.stdin.readline().split()
        if not answer:
            sys.exit("refused")
        if answer[0] == "done":
            if len(answer) > 1:
                client.step(bytes.fromhex(answer[1]))
            break
        token = client.step(bytes.fromhex(answer[0]))
    if not client.complete:
        sys.exit("not complete")
    for number in range(3):
        plain = ("question %d é " % number * 100 * number).encode()
        sealed = client.wrap_winrm(plain)
        say(sealed.header, sealed.data)
        signature, answer = (bytes.fromhex(part) for part in sys.stdin.readline().rstrip("\n").split(" "))
        if client.unwrap_winrm(signature, answer) != b"answer to " + plain:
            sys.exit("another answer")
    print("ok", flush=True)


main()
