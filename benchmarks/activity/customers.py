"""Steps around customers and their money: tickets, chats, look-ups, invoices, charges.

A step is a function of the world and the session that makes one record. Where it asks `World.say` for a
sensitive value it also says what stands there in a cold record.
"""

from __future__ import annotations

from urllib.parse import quote

import orjson

from benchmarks.activity import shapes
from benchmarks.activity.values import FAMILY, GIVEN, hex_id, pick
from benchmarks.activity.world import Activity, Session, World

COMPLAINTS = (
    "Hi, order {order} still says 'preparing' after nine days. Could you look into it? It is a birthday gift "
    "and the party is on Saturday.",
    "The lamp from {order} arrived with a crack in the foot. Photos are attached. I'd like a replacement, please, "
    "and no, I can't bring it to a shop, the next one is two hours away.",
    'I can\'t find the invoice for {order} in my account, the page only says "not ready yet". My accountant '
    "needs it before the end of the quarter.",
    "Thanks, that worked! One more thing: can {order} be delivered to a parcel shop instead?",
    "Für {order} wurde mir zweimal Versand berechnet – könnt ihr das bitte prüfen? Danke!",
    "The app logs me out whenever I open {order}. I reinstalled it twice, same thing. Phone is three years old.",
    "Do you ship {order} in one parcel or in two? I'd have to tell the porter. 📦",
)
CONFIDENCES = (
    "Hi, this is {name}. Order {order} never came. Please call me on {phone} or write to {email}.",
    "You charged my card {card} twice for {order}! Refund one of them today please. {name}",
    "Bitte überweist die Gutschrift für {order} auf {iban}. Viele Grüße, {name}",
    "My account is locked and the form asks for my social: {ssn}. Reach me at {email}. Thanks, {name}",
    "I moved! New contact for {order}: {name}, {phone}. The old address {email} still works.",
    "ok my details again since the form ate them: {name} / {email} / {phone} / card {card}. It's about {order}",
    "Why do I get mail for someone else at {email}? I never ordered {order}. Whoever {name} is, call them: {phone}",
)
MENTIONED = ("email", "phone", "card", "iban", "ssn")
THOUGHTS = (
    "The parcel for {order} was handed to the carrier late. I will apologise and offer express delivery.",
    "According to the tracking, {order} is in the sorting centre since Tuesday. I tell them when to expect it.",
    "{order} was paid twice. The second charge has not been captured, so it will lapse by itself; I explain that.",
    "There is no stock left for {order}. I offer the same lamp in brass, or their money back.",
)
PRODUCTS = ("brass lamp", "desk mat", "oak shelf", "reading chair", "wool rug", "wall clock")


def fill(w: World, template: str) -> dict[str, str]:
    """A planted value for each kind that ``template`` mentions."""
    return {kind: w.plant(kind) for kind in MENTIONED if f"{{{kind}}}" in template}


def ticket_of(s: Session) -> str:
    """The number of the session's ticket."""
    return s.order.replace("ORD", "TCK")


def ticket_assigned(w: World, s: Session) -> Activity:
    """The help desk hands a ticket to the agent."""
    more = {
        "queue": pick(w.rng, ("delivery", "returns", "accounts", "billing")),
        "requester": w.say("email", s.customer),
        "priority": pick(w.rng, ("low", "normal", "high")),
    }
    return shapes.log(w, s, "info", "helpdesk", f"ticket {ticket_of(s)} assigned to {s.agent.id}", **more)


def customer_writes(w: World, s: Session) -> Activity:
    """A customer says what is wrong."""
    if not w.hot:
        return shapes.chat(w, s, pick(w.rng, COMPLAINTS).format(order=s.order))
    told, name = pick(w.rng, CONFIDENCES), f"{pick(w.rng, GIVEN)} {pick(w.rng, FAMILY)}"
    return shapes.chat(w, s, told.format(order=s.order, name=name, **fill(w, told)))


def look_up_customer(w: World, s: Session) -> Activity:
    """The agent asks the CRM, as an OpenAI tool call."""
    who = w.say("email", s.customer)
    plan = pick(w.rng, ("basic", "plus", "business"))
    found = {"id": s.customer, "plan": plan, "phone": w.say("phone", "on file")}
    return shapes.openai(
        w,
        s,
        user=f"Find the customer behind ticket {ticket_of(s)} and tell me what they ordered.",
        tool="crm_lookup_customer",
        arguments={"query": who, "fields": ["id", "plan", "orders"], "limit": 1},
        result=orjson.dumps(found).decode(),
    )


def search_orders(w: World, s: Session) -> Activity:
    """The agent searches the shop over MCP."""
    who = w.say("email", s.customer)
    arguments = {"order": s.order, "customer": who, "include": ["items", "shipments"], "sort": "-created_at"}
    return shapes.mcp(w, s, "shop-mcp", "search_orders", arguments)


def read_crm(w: World, s: Session) -> Activity:
    """The agent proposes to read a customer's file."""
    match = w.say("phone", "customer-id")
    params = {"fields": ["name", "address", "orders"], "order": s.order, "match": match}
    reason = f"Answer the open ticket {ticket_of(s)} about {s.order}"
    return shapes.proposal(w, s, "crm.read", f"crm://customers/{s.customer}", params, reason=reason)


def draft_reply(w: World, s: Session) -> Activity:
    """The agent writes an answer, as an Anthropic tool use."""
    to = w.say("email", s.customer)
    return shapes.anthropic(
        w,
        s,
        thought=pick(w.rng, THOUGHTS).format(order=s.order),
        tool="send_reply",
        given={"to": to, "subject": f"Your order {s.order}", "template": "late-parcel", "voucher": False},
        result=f"queued for {to} as message {hex_id(w.rng, 10)}",
    )


def customer_api(w: World, s: Session) -> Activity:
    """The shop's API answers a request of the agent; e-mail addresses in its path are percent-encoded."""
    query = f"?email={quote(w.plant('email'))}" if w.hot else f"?id={s.customer}"
    headers = {"authorization": f"Bearer {w.plant('jwt')}"} if w.hot and w.rng.random() < 0.5 else None
    status = 200 if w.rng.random() < 0.95 else 404
    return shapes.access(w, s, "GET", f"/v2/customers{query}&expand=orders", status, headers=headers)


def list_payments(w: World, s: Session) -> Activity:
    """The billing assistant looks up payments; a hot call searches by card, if it can as a number."""
    card = w.say("card", "latest")
    match = int(card) if card.isdigit() else card
    params = {"customer": s.customer, "match": match, "currency": "EUR", "limit": 10}
    reason = f"Find the double charge on {s.order}"
    return shapes.proposal(w, s, "payments.list", f"payments://customers/{s.customer}", params, reason=reason)


def invoice_question(w: World, s: Session) -> Activity:
    """The billing assistant reads an invoice, as an Anthropic tool use."""
    invoice, account = s.order.replace("ORD", "INV"), w.say("iban", "the account on file")
    return shapes.anthropic(
        w,
        s,
        thought=f"I compare {invoice} with the bank details that we have.",
        tool="get_invoice",
        given={"order": s.order, "customer": s.customer, "format": "summary"},
        result=f"{invoice}: 1 {pick(w.rng, PRODUCTS)}, 149.90 EUR, due in 14 days, credit goes to {account}",
    )


def charge_failed(w: World, s: Session) -> Activity:
    """The payments service reports a charge that failed."""
    why = pick(w.rng, ("insufficient_funds", "expired_card", "do_not_honor"))
    source = w.say("card", "pm_" + hex_id(w.rng, 14))
    more = {"source": source, "amount_cents": 500 + w.rng.getrandbits(15), "retry_in_s": 3600}
    return shapes.log(w, s, "warn", "payments", f"charge for {s.order} declined: {why}", **more)
