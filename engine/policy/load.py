"""From a policy file to a compiled policy: reads files and keys, checks what needs more than one line."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict

from detectors.catalogue import Catalogue, shipped_files
from detectors.compiled import KEY_END
from detectors.errors import ConfigError
from detectors.gate import Stage
from detectors.gateform import gate_form
from detectors.glance import Hidden
from detectors.ner.detector import NameDetector
from detectors.ner.gate import shipped_gate
from detectors.ner.model import OURS, load_model
from detectors.patterns import PatternDetector
from detectors.yamlfile import Loc, YamlFile, closest
from engine.actions.decide import CompiledRules, compile_rules
from engine.actions.kept import kept_patterns
from engine.actions.keyed import table
from engine.actions.principals import Principals
from engine.actions.profile import Profile, shipped_profiles
from engine.actions.reviews import Reviews
from engine.actions.rules import Rule
from engine.actions.times import duration
from engine.hidden import ESCAPES
from engine.layers import DEAR, LITERAL, ROWS, ROWS_TABLE
from engine.native import helper, scan
from engine.neighbours import NAMED_SIGNS, PROGRAM_SIGN, TELLING_WORDS
from engine.policy.compiled import GateIds, PathRules, Policy
from engine.policy.model import Key, Paths, PolicyFile
from engine.redaction import KEYED, Method
from engine.tenants import TenantField, TenantTopic
from engine.tokens import KeyRing, SecretKey

DEFAULT_POLICY = Path(str(files("engine.policy") / "default.yaml"))
DEFAULT_ACTIONS = Path(str(files("engine.actions") / "defaults.yaml"))

_MIN_KEY = 16  # bytes


def load_policy(
    path: Path | None = None,
    *,
    more: Sequence[Path] = (),
    environ: Mapping[str, str] = os.environ,
    ner: bool | None = None,
    prove: bool = True,
) -> Policy:
    """The policy in ``path`` (the shipped one if None), compiled, with ``more`` rule files than it names.

    ``ner`` switches its model for names on or off. Without ``prove``, rules of one's own are not tried on their
    examples: for patterns that were published without any.

    Raises ConfigError naming file, line and key of whatever cannot be used.
    """
    source = YamlFile.read(path or DEFAULT_POLICY)
    file = source.validate(PolicyFile, {} if source.data is None else None)
    if ner is not None and ner != file.ner.on:
        file = file.model_copy(update={"ner": file.ner.model_copy(update={"model": OURS if ner else "off"})})
    folder = (path or DEFAULT_POLICY).parent
    names = _names(source, file, folder)
    catalogue, texts = _catalogue(source, file, folder, more, prove=prove)
    rules = list(catalogue.rules.values())
    entities = frozenset(one.rule.entity for one in rules) | {one.entity for one in file.paths.always}
    entities |= frozenset(file.ner.thresholds) if names is not None else frozenset()
    _check_entities(source, file, entities)
    profiles = shipped_profiles()
    _check_profiles(source, file, profiles)
    actions, actions_text = _actions(source, file, profiles)
    _check_escalation(source, file)
    places = _places(file, catalogue)
    profiles_digest = _profiles_digest()
    announced = kept_patterns(actions, profiles, (actions_text or source.text, profiles_digest))
    path_literals = [_name_gate(name) for name in places.literals() if name is not None]
    hiding = [ESCAPES, LITERAL] if helper is not None else [ESCAPES, LITERAL, ROWS, DEAR]
    signs = [*NAMED_SIGNS, PROGRAM_SIGN]
    extra = [b"|".join(hiding), *path_literals, *signs, *(b"(?i)" + text for text in announced.patterns)]
    n, p = len(rules), len(path_literals) + len(signs)
    ids = GateIds(n, n + 1, n + 1 + len(path_literals), n + 1 + p, n + 1 + p + len(announced.patterns))
    signs_stage = Stage([TELLING_WORDS], range(ids.literals, ids.literals + len(NAMED_SIGNS)))
    keyed = table(announced.keyed) if announced.keyed is not None else None
    actions_stage = Stage(
        [b"(?i)" + text for text in announced.words],
        range(ids.paths, ids.actions),
        "keyed" if keyed is not None else None,
    )
    try:
        detector = PatternDetector(
            rules,
            extra=extra,
            stages=[signs_stage, actions_stage],
            hidden=Hidden(n, ROWS_TABLE) if ROWS_TABLE is not None else None,
            keyed=keyed,
            max_candidates=file.limits.candidates,
            scan=scan,
            helper=helper,
        )
    except ValueError as error:
        raise ConfigError(str(error), file=source.name) from None
    text = orjson.dumps(
        {"policy": source.text, "actions": actions_text, "rules": texts, "profiles": profiles_digest}
        | ({"ner": names.model.id} if names is not None else {"ner": "off"} if ner is not None else {}),
        option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2,
    ).decode()
    return Policy(
        file=file,
        text=text,
        digest="sha256:" + hashlib.sha256(text.encode()).hexdigest(),
        detector=detector,
        gate=ids,
        announced=tuple(announced.profiles),
        places=places,
        entities=entities,
        methods=dict(file.redaction.entities),
        keys=_keys(source, file, folder, environ),
        tenant=_tenant(file),
        profiles=profiles,
        principals=Principals.of(file.principals),
        actions=actions,
        reviews=Reviews.of(file.reviews),
        names=names,
        reads_all=(*_reads_all(file, places), *(f"actions: {one.rule_id} ({one.profile})" for one in announced.forced)),
    )


def load_keys(path: Path, *, environ: Mapping[str, str] = os.environ) -> KeyRing:
    """The keys alone of the policy in ``path``. Raises ConfigError as `load_policy` does."""
    source = YamlFile.read(path)
    return _keys(source, source.validate(PolicyFile, {} if source.data is None else None), path.parent, environ)


def read_key(key: Key, folder: Path, environ: Mapping[str, str]) -> bytes:
    """The bytes of a secret key. Raises ValueError, never with any of them."""
    if key.env is not None:
        value = environ.get(key.env, "").strip().encode()
        if not value:
            raise ValueError(f"the environment variable {key.env} is not set")
    else:
        path = folder / str(key.file)
        try:
            value = path.read_bytes().strip()
        except OSError as error:
            reason = (error.strerror or "cannot be read").lower()
            raise ValueError(f"{path}: {reason}; `openssl rand -hex 32 > {path}` makes a key") from None
    if len(value) < _MIN_KEY:
        raise ValueError(f"a key needs at least {_MIN_KEY} bytes; `openssl rand -hex 32` makes one")
    return value


class _Actions(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    actions: list[Rule]


def _catalogue(
    source: YamlFile, file: PolicyFile, folder: Path, more: Sequence[Path], *, prove: bool
) -> tuple[Catalogue, dict[str, str]]:
    """The rules that are on, and the texts (or for shipped ones the digest) that they come from."""
    own = {name: folder / name for name in file.rules.files} | {str(path): path for path in more}
    shipped = shipped_files() if file.rules.shipped else []
    catalogue = Catalogue.read(shipped, [*own.values()]) if prove else Catalogue.read([*shipped, *own.values()])
    for number, name in enumerate(file.rules.disable):
        if name not in catalogue.rules:
            message = f"no rule is called '{name}'{closest(name, list(catalogue.rules))}"
            raise source.error(message, ("rules", "disable", number))
    for name in file.rules.disable:
        catalogue.rules.pop(name, None)
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in shipped)).hexdigest()
    texts = {"shipped": f"sha256:{digest}"} if shipped else {}
    for name, path in own.items():
        texts[name] = path.read_text(encoding="utf-8")
    return catalogue, texts


def _places(file: PolicyFile, catalogue: Catalogue) -> PathRules:
    for one in catalogue.exemptions:
        try:
            PathRules(Paths(), [one])
        except ValueError as error:
            raise ConfigError(str(error), file=one.file, line=one.line, key="allow") from None
    return PathRules(file.paths, catalogue.exemptions)


def _actions(source: YamlFile, file: PolicyFile, profiles: Sequence[Profile]) -> tuple[CompiledRules, str]:
    if file.actions != "default":
        return compile_rules(file.actions, profiles, source), ""
    shipped = YamlFile.read(DEFAULT_ACTIONS)
    rules = shipped.validate(_Actions).actions
    return compile_rules(rules, profiles, shipped), shipped.text


def _check_entities(source: YamlFile, file: PolicyFile, entities: frozenset[str]) -> None:
    named: list[tuple[str, Loc]] = [(e, ("redaction", "entities", e)) for e in file.redaction.entities]
    for kind in ("never", "only"):
        for number, one in enumerate(getattr(file.paths, kind)):
            named += [(e, ("paths", kind, number, "entities", i)) for i, e in enumerate(one.entities)]
    for entity, loc in named:
        if entity not in entities:
            raise source.error(f"no rule finds '{entity}'{closest(entity, sorted(entities))}", loc)


def _check_escalation(source: YamlFile, file: PolicyFile) -> None:
    for number, rule in enumerate([] if file.actions == "default" else file.actions):
        if rule.approvers and rule.expires is None and rule.approvers.last_step >= duration(file.expires):
            message = f"its escalation would come too late: requests expire after {file.expires}"
            raise source.error(message, ("actions", number, "approvers"))


def _check_profiles(source: YamlFile, file: PolicyFile, profiles: Sequence[Profile]) -> None:
    names = [profile.name for profile in profiles]
    for number, topic in enumerate(file.topics):
        for index, name in enumerate(topic.profiles or []):
            if name not in names:
                message = f"no profile is called '{name}'{closest(name, names)}"
                raise source.error(message, ("topics", number, "profiles", index))


def _keys(source: YamlFile, file: PolicyFile, folder: Path, environ: Mapping[str, str]) -> KeyRing:
    if not file.keys:
        _check_no_key_is_needed(source, file)
    keys: dict[str, SecretKey] = {}
    for number, key in enumerate(file.keys):
        if key.id in keys:
            raise source.error(f"two keys are called '{key.id}'", ("keys", number, "id"))
        try:
            keys[key.id] = SecretKey(key.id, read_key(key, folder, environ))
        except ValueError as error:
            raise source.error(str(error), ("keys", number)) from None
    return KeyRing(list(keys.values()))


def _check_no_key_is_needed(source: YamlFile, file: PolicyFile) -> None:
    methods: list[tuple[Method | None, Loc]] = [(file.redaction.default, ("redaction", "default"))]
    methods += [(m, ("redaction", "entities", e)) for e, m in file.redaction.entities.items()]
    methods += [(one.method, ("paths", "always", n, "method")) for n, one in enumerate(file.paths.always)]
    for method, loc in methods:
        if method in KEYED:
            raise source.error(f"the method '{method}' needs a key: add keys: [{{id: k1, env: NAME}}], or file", loc)


def _names(source: YamlFile, file: PolicyFile, folder: Path) -> NameDetector | None:
    """What finds names, if the policy wants it to."""
    ner = file.ner
    if not ner.on:
        return None
    try:
        model = load_model(ner.model, ner.labels, folder)
    except ConfigError as error:
        raise source.error(error.message, ("ner", "model")) from None
    return NameDetector(model, shipped_gate(), thresholds=ner.thresholds, gated=ner.gate, limit=ner.characters)


def _tenant(file: PolicyFile) -> TenantField | TenantTopic | None:
    if file.tenant is None:
        return None
    if file.tenant.field is not None:
        return TenantField(file.tenant.field, file.limits.depth)
    return TenantTopic(str(file.tenant.topic))


def _name_gate(name: str) -> bytes:
    return (gate_form(re.escape(name), trim=False) + KEY_END).encode()


def _reads_all(file: PolicyFile, places: PathRules) -> list[str]:
    """Why each record must be parsed, whatever the gate says."""
    names = zip(file.paths.always, places.literals(), strict=True)
    return [f"paths.always: '{one.path}' names nothing" for one, name in names if name is None]


def _profiles_digest() -> str:
    folder = files("engine.actions") / "profiles"
    texts = sorted((entry.name, entry.read_bytes()) for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    return "sha256:" + hashlib.sha256(b"\0".join(text for _, text in texts)).hexdigest()
