"""The proxy's rules as the text of two nftables tables of one name: `inet` judges packets, `bridge` frames. Pure.

::

    from pods and outside ─► arrive: to a service? dnat ─► refuse: nobody there? ─► route ─► police ─► remember ─► leave
                                                                                      │
                                                                                      └─► police_node, remember_node
    from the node itself ──► depart: to a service? dnat ─► refuse ─► remember ─► leave

`police` holds policies, `remember` notes for session affinity who was led where, and `leave` masquerades who calls
himself, and whom `arrive` has marked: who comes from outside.

Rules are the same whatever services there are; what differs is in maps. Two kinds of chains come as they are needed,
and stay: `pick4_7` chooses one of seven endpoints, `limit_1` remembers clients for as long as the first time limit of
session affinity says. The number that was drawn is in the packet's priority, from one rule to the next.

Pods of one node hang on one bridge, and what they send each other would pass the rules by: answers of a service's
endpoint would keep its own address, and no policy would hold. So the bridge table hands such frames to the node's
network layer, which sends them back. (The kernel can be told to do so with br_netfilter, but for all bridges, and not
every kernel has it.) The redirects that it would send because of that, "go there directly", are kept to ourselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from corral.cluster.proxy import marks
from corral.cluster.proxy.elements import NEAR_OFFSET, slot
from corral.cluster.proxy.ledger import Change, Place
from corral.cluster.proxy.policies.plan import Policing
from corral.cluster.proxy.services import PROTOCOLS
from corral.cluster.proxy.settings import ProxySettings

# Before published ports of the engine, and before it masquerades what goes from pod to pod.
_BEFORE_DNAT, _AFTER_DNAT, _BEFORE_SNAT = -105, -90, 95
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
_WORDS = {4: "ip", 6: "ip6"}
_LOOPBACK = {4: "127.0.0.0/8", 6: "::1"}
STICKY_SIZE = 65536


def plan_tables(settings: ProxySettings) -> str:
    """Both tables anew, empty of services, whatever was there before."""
    name = settings.table
    text = plan_removal(name)
    text += f"table inet {name} {{\n{_declared(4)}{_declared(6)}\tmap limits {{ type mark : verdict; }}\n"
    text += f"{_chains(settings)}{_lead(settings, 4)}{_lead(settings, 6)}}}\n"
    text += f"table bridge {name} {{\n{_bridge()}}}\n"
    return text + plan_add(name, _node_elements(settings))


def plan_removal(name: str) -> str:
    return "".join(f"add table {family} {name}\ndelete table {family} {name}\n" for family in ("inet", "bridge"))


def _declared(v: int) -> str:
    kind = _TYPES[v]
    service, target = f"{kind} . inet_proto . inet_service", f"{kind} . inet_service"
    lines = [
        f"set fronts{v} {{ type {service}; }}",
        f"set doors{v} {{ type inet_proto . inet_service; }}",
        f"set own{v} {{ type {kind}; }}",
        f"set selves{v} {{ type {kind} . {kind}; }}",
        f"set ranges{v} {{ type {service} . {kind}; flags interval; }}",
        f"set pods{v} {{ type {kind}; flags interval; }}",
        f"map heads{v} {{ type {service} : mark; }}",
        f"map nears{v} {{ type {service} : mark; }}",
        f"map door_heads{v} {{ type inet_proto . inet_service : mark; }}",
        f"map door_nears{v} {{ type inet_proto . inet_service : mark; }}",
        f"map ends{v} {{ type {service} . classid : {target}; }}",
        f"map door_ends{v} {{ type inet_proto . inet_service . classid : {target}; }}",
        f"map picks{v} {{ type mark : verdict; }}",
        f"map door_picks{v} {{ type mark : verdict; }}",
        f"map isolated_in{v} {{ type {kind} : verdict; }}",
        f"map isolated_out{v} {{ type {kind} : verdict; }}",
    ]
    if v == 4:
        key = "ipv4_addr . ipv4_addr . inet_proto . inet_service"
        lines.append(
            f"map sticky4 {{ type {key} : ipv4_addr . inet_service; size {STICKY_SIZE}; flags dynamic,timeout; }}"
        )
    else:
        lines += [f"map {prefix}steady_picks6 {{ type mark : verdict; }}" for prefix in ("", "door_")]
    return "".join(f"\t{line}\n" for line in lines)


def _chains(settings: ProxySettings) -> str:
    """In the order of the picture above."""
    return f"\n{_leading(settings)}{_refusing(settings)}{_POLICING}{_REMEMBERING}{_masquerading(settings)}"


def _leading(settings: ProxySettings) -> str:
    return f"""	chain arrive {{
		type nat hook prerouting priority {_BEFORE_DNAT}; policy accept;
{_left_alone(settings, "goto services")}		jump services
	}}
	chain depart {{
		type nat hook output priority {_BEFORE_DNAT}; policy accept;
		jump services
	}}
	chain services {{
		ip daddr . meta l4proto . th dport @fronts4 goto lead4
		ip6 daddr . meta l4proto . th dport @fronts6 goto lead6
		meta nfproto ipv4 meta l4proto . th dport @doors4 fib daddr type local goto door_lead4
		meta nfproto ipv6 meta l4proto . th dport @doors6 fib daddr type local ip6 daddr != ::1 goto door_lead6
	}}
"""


def _refusing(settings: ProxySettings) -> str:
    silent = f"meta mark & {marks.MAGIC | marks.NEAR | marks.COUNT:#x} == {marks.OURS | marks.NEAR:#x}"
    nobody = f"meta mark & {marks.MAGIC | marks.COUNT:#x} == {marks.OURS:#x}"
    return f"""	chain refuse_in {{
		type filter hook prerouting priority {_AFTER_DNAT}; policy accept;
{_left_alone(settings, "ct state new goto refuse")}		ct state new jump refuse
	}}
	chain refuse_out {{
		type filter hook output priority {_AFTER_DNAT}; policy accept;
		ct state new jump refuse
		ip daddr @pods4 meta l4proto 1 icmp type 5 drop
		ip6 daddr @pods6 meta l4proto 58 icmpv6 type 137 drop
	}}
	chain refuse {{
		{silent} drop
		{nobody} goto refusal
		ip daddr @own4 goto refusal
		ip6 daddr @own6 goto refusal
	}}
	chain refusal {{
		meta l4proto 6 reject with tcp reset
		reject with icmpx type port-unreachable
	}}
"""


_POLICING = """	chain police {
		type filter hook forward priority -10; policy accept;
		ct state established,related accept
		ip saddr . ip daddr @selves4 accept
		ip6 saddr . ip6 daddr @selves6 accept
		ip saddr vmap @isolated_out4
		ip6 saddr vmap @isolated_out6
		ip daddr vmap @isolated_in4
		ip6 daddr vmap @isolated_in6
	}
	chain police_node {
		type filter hook input priority -10; policy accept;
		ct state established,related accept
		meta l4proto 58 icmpv6 type { 133-137 } accept
		ip saddr vmap @isolated_out4
		ip6 saddr vmap @isolated_out6
	}
"""

_REMEMBERING = f"""	chain remember {{
		type filter hook postrouting priority -150; policy accept;
		ct state new meta mark & {marks.MAGIC | marks.AFFINITY:#x} vmap @limits
	}}
	chain remember_node {{
		type filter hook input priority -150; policy accept;
		ct state new meta mark & {marks.MAGIC | marks.AFFINITY:#x} vmap @limits
	}}
"""


def _masquerading(settings: ProxySettings) -> str:
    ours = f"meta mark & {marks.MAGIC:#x} == {marks.OURS:#x}"
    return f"""	chain leave {{
		type nat hook postrouting priority {_BEFORE_SNAT}; policy accept;
		{ours} ct status dnat goto leaving
{_unmasked(settings)}	}}
	chain leaving {{
		meta mark & {marks.MASKED:#x} != 0 masquerade
{_leaving(settings, 4)}{_leaving(settings, 6)}	}}
"""


def _left_alone(settings: ProxySettings, else_: str) -> str:
    own = "".join(f'\t\tiifname "{name}" {else_}\n' for name in settings.own)
    return own + "".join(f'\t\tiifname "{name}" accept\n' for name in settings.others)


def _unmasked(settings: ProxySettings) -> str:
    """Between nodes pods see each other as they are. On a single node nothing of theirs leaves it.

    That is all: a pod that calls itself by a published port is hidden by the engine's table, and in a range of many
    nodes there are pods of other instances on this host, too.
    """
    if set(settings.pods) <= {one.subnet for one in settings.local}:
        return ""
    text = ""
    for subnet in (one.subnet for one in settings.local):
        v = _version(subnet)
        word = _WORDS[v]
        away = f"{word} saddr {subnet} {word} daddr != {subnet} {word} daddr @pods{v}"
        text += f"\t\t{away} snat {word} to {word} saddr\n"
    return text


def _leaving(settings: ProxySettings, v: int) -> str:
    """The last rules keep a pod as it is, and other tables from masquerading it.

    What another instance on this host leads comes by here too, with marks that look the same: of its pods this knows
    nothing, and leaves them to its table.
    """
    word, local = _WORDS[v], [one.subnet for one in settings.local if _version(one.subnet) == v]
    text = f"\t\t{word} saddr . {word} daddr @selves{v} masquerade\n\t\t{word} saddr {_LOOPBACK[v]} masquerade\n"
    return text + "".join(f"\t\t{word} saddr {subnet} snat {word} to {word} saddr\n" for subnet in local)


def _lead(settings: ProxySettings, v: int) -> str:
    key, caller = "meta l4proto . th dport", _from_elsewhere(settings, v)
    return _lead_chain(v, "", f"{_WORDS[v]} daddr . {key}", caller) + _lead_chain(v, "door_", key, caller)


def _from_elsewhere(settings: ProxySettings, v: int) -> str:
    """Who has not called from this node, and is led to the endpoints that are near where traffic from outside is to
    stay local.

    Pods of other nodes are such, too: they come as they are, so the endpoint of a third node would answer them itself,
    by its own address, past the node that they have called.
    """
    local = [one.subnet for one in settings.local if _version(one.subnet) == v]
    pods = f"{_WORDS[v]} saddr != {{ {', '.join(local)} }} " if local else ""
    return f"{pods}fib saddr type != local"


def _lead_chain(v: int, prefix: str, key: str, elsewhere: str) -> str:
    """What is to be done with a new connection to a service: say it in the mark, then look for the endpoint."""
    word, many = _WORDS[v], f"{marks.NEAR | marks.COUNT:#x}"
    stranger = f"{word} saddr != @pods{v} fib saddr type != local"
    affine = f"meta mark & {marks.AFFINITY:#x} != 0"
    rules = [
        f"meta mark set {key} map @{prefix}heads{v}",
        f"meta mark & {marks.OUTER:#x} != 0 {elsewhere} meta mark set {key} map @{prefix}nears{v}",
    ]
    if not prefix:
        shut = f"meta mark set {marks.pack(0, near=True):#x}"
        rules.append(f"meta mark & {marks.RANGES:#x} != 0 {key} . {word} saddr != @ranges{v} {shut}")
        rules.append(f"meta mark & {marks.OWN:#x} != 0 {stranger} meta mark set meta mark | {marks.MASKED:#x}")
    if v == 4:
        rules.append(f"{affine} dnat ip to ip saddr . ip daddr . meta l4proto . th dport map @sticky4")
    else:
        rules.append(f"{affine} meta mark & {many} vmap @{prefix}steady_picks6")
    rules.append(f"meta mark & {many} vmap @{prefix}picks{v}")
    return f"\tchain {prefix}lead{v} {{\n" + "".join(f"\t\t{rule}\n" for rule in rules) + "\t}\n"


def _bridge() -> str:
    """Frames from a pod to another of this node; but for neighbour discovery, which is about the wire itself."""
    return """	map macs4 { type ipv4_addr : ether_addr; flags interval; }
	map macs6 { type ipv6_addr : ether_addr; flags interval; }
	set homes4 { type ipv4_addr; flags interval; }
	set homes6 { type ipv6_addr; flags interval; }
	chain hand_up {
		type filter hook prerouting priority -310; policy accept;
		ether daddr & 01:00:00:00:00:00 != 00:00:00:00:00:00 accept
		meta l4proto 58 icmpv6 type 133-137 accept
		ip saddr @homes4 ether daddr set ip daddr map @macs4 meta pkttype set host
		ip6 saddr @homes6 ether daddr set ip6 daddr map @macs6 meta pkttype set host
	}
"""


def _node_elements(settings: ProxySettings) -> dict[Place, str]:
    return {(f"pods{_version(subnet)}", subnet): "" for subnet in settings.pods}


def plan_frames(settings: ProxySettings) -> str:
    """The entries of the bridge table: which frames are handed up, and to which address of the node."""
    text = ""
    for network in settings.local:
        v = _version(network.subnet)
        text += f"add element bridge {settings.table} homes{v} {{ {network.subnet} }}\n"
        text += f"add element bridge {settings.table} macs{v} {{ {network.subnet} : {network.mac} }}\n"
    return text


def _version(address: str) -> int:
    return 6 if ":" in address else 4


# ---------------------------------------------------------------------------------------------------- what comes later


def pick_name(name: str, value: str) -> str:
    """The chain that chooses for a head of map `name`.

    >>> pick_name("door_nears4", "0xc0002003"), pick_name("heads6", "0xc1000007")
    ('door_near4_3', 'pick6_7')
    """
    number = int(value, 16)
    return f"{_prefix(name)}{'near' if number & marks.NEAR else 'pick'}{name[-1]}_{number & marks.COUNT}"


def _prefix(name: str) -> str:
    return "door_" if name.startswith("door_") else ""


def plan_pick(table: str, name: str, value: str) -> str:
    """A choice among as many endpoints as a head of map `name` says, "" for none.

    >>> print(plan_pick("t", "heads4", "0xc1000003").replace("add ", ""), end="")
    chain inet t pick4_3
    flush chain inet t pick4_3
    rule inet t pick4_3 meta priority set numgen random mod 3
    rule inet t pick4_3 dnat ip to ip daddr . meta l4proto . th dport . meta priority map @ends4
    rule inet t pick4_3 meta priority set 0:0
    rule inet t pick4_3 dnat ip to ip daddr . meta l4proto . th dport . meta priority map @ends4
    element inet t picks4 { 0x3 : goto pick4_3 }
    """
    number = int(value, 16)
    if not number & marks.COUNT:
        return ""
    v, chain, prefix = int(name[-1]), pick_name(name, value), _prefix(name)
    text = _pick(table, chain, f"{prefix}picks{v}", number, "numgen random")
    return text + (
        _pick(table, f"{chain}_steady", f"{prefix}steady_picks6", number, "jhash ip6 saddr") if v == 6 else ""
    )


def _pick(table: str, chain: str, picks: str, number: int, die: str) -> str:
    """The last two rules are for the packet that meets the maps in the middle of a change: there is always a first."""
    count, near, v = number & marks.COUNT, number & marks.NEAR, 4 if picks.endswith("4") else 6
    word, prefix = _WORDS[v], _prefix(picks)
    key = (
        "meta l4proto . th dport . meta priority"
        if prefix
        else f"{word} daddr . meta l4proto . th dport . meta priority"
    )
    lead = f"dnat {word} to {key} map @{prefix}ends{v}"
    offset = f" offset {NEAR_OFFSET}" if near else ""
    steps = (
        f"meta priority set {die} mod {count}{offset}",
        lead,
        f"meta priority set {slot(0, near=bool(near))}",
        lead,
    )
    rules = "".join(f"add rule inet {table} {chain} {step}\n" for step in steps)
    entry = f"add element inet {table} {picks} {{ {near | count:#x} : goto {chain} }}\n"
    return f"add chain inet {table} {chain}\nflush chain inet {table} {chain}\n{rules}{entry}"


def plan_limit(table: str, number: int, seconds: int) -> str:
    """The chain that remembers clients for so long. IPv6 ones are led by their address instead: libnftables gives up
    (it ends the process) on a map that rules fill and whose key is longer than 16 bytes."""
    chain = f"limit_{number}"
    text = f"add chain inet {table} {chain}\nflush chain inet {table} {chain}\n"
    client = "ct original ip saddr . ct original ip daddr . ct original protocol . ct original proto-dst"
    for protocol in PROTOCOLS.values():  # of a protocol nft does not know, it would not take the port
        text += (
            f"add rule inet {table} {chain} meta nfproto ipv4 meta l4proto {protocol} "
            f"update @sticky4 {{ {client} timeout {seconds}s : ip daddr . th dport }}\n"
        )
    return text + f"add element inet {table} limits {{ {marks.pack(0, affinity=number):#x} : jump {chain} }}\n"


def plan_objects(table: str, policing: Policing, known: Policing) -> str:
    """The sets and chains of policies that are not there yet. Sets first: chains ask them."""
    text = ""
    for name, v in policing.sets.items():
        if name not in known.sets:
            kind = f"type {_TYPES[v]} . inet_proto . inet_service; flags interval;"
            text += f"add set inet {table} {name} {{ {kind} }}\n"
    for name, rules in policing.chains.items():
        if name not in known.chains:
            text += f"add chain inet {table} {name}\n" + "".join(f"add rule inet {table} {name} {r}\n" for r in rules)
    return text


def plan_without(table: str, policing: Policing, known: Policing) -> str:
    """Takes away those that are not needed any more, when nothing leads to them."""
    chains = [name for name in known.chains if name not in policing.chains]
    text = "".join(f"flush chain inet {table} {name}\n" for name in chains)
    text += "".join(f"delete chain inet {table} {name}\n" for name in chains)
    return text + "".join(f"delete set inet {table} {n}\n" for n in known.sets if n not in policing.sets)


def plan_add(table: str, elements: dict[Place, str]) -> str:
    """One command for each map: a text of thousands of commands takes longer to read than to do.

    >>> plan_add("t", {("own4", "10.96.0.1"): "", ("heads4", "a"): "1"})
    'add element inet t own4 { 10.96.0.1 }\\nadd element inet t heads4 { a : 1 }\\n'
    """
    entries = ((name, f"{key} : {value}" if value else key) for (name, key), value in elements.items())
    return _elements("add", table, entries)


def plan_delete(table: str, elements: Iterable[Place]) -> str:
    return _elements("delete", table, elements)


def _elements(verb: str, table: str, entries: Iterable[tuple[str, str]]) -> str:
    by_map: dict[str, list[str]] = {}
    for name, text in entries:
        by_map.setdefault(name, []).append(text)
    return "".join(f"{verb} element inet {table} {name} {{ {', '.join(texts)} }}\n" for name, texts in by_map.items())


def plan_change(table: str, change: Change) -> str:
    """One transaction: all packets see what was before, or what is after.

    >>> plan_change("t", Change({("heads4", "a"): "1"}, {("heads4", "a"): "2"}))
    'delete element inet t heads4 { a }\\nadd element inet t heads4 { a : 2 }\\n'
    """
    return plan_delete(table, change.gone) + plan_add(table, change.come)
