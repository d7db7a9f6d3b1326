"""Sentences about the pair, in both languages at once: they travel from host to host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sentence:
    """The same statement in English and in Polish."""

    en: str
    pl: str

    def in_language(self, language: str) -> str:
        """Return the text for `language`; English for all but Polish."""
        return self.pl if language == "pl" else self.en


NOTHING = Sentence("", "")

_TABLE: Mapping[str, Sentence] = {
    "process_ok": Sentence("{unit} runs", "{unit} działa"),
    "process_none": Sentence("{unit} has no process", "{unit} nie ma żadnego procesu"),
    "process_stopped": Sentence(
        "process {pid} ({command}) of {unit} is stopped (state {state})",
        "proces {pid} ({command}) usługi {unit} jest zatrzymany (stan {state})",
    ),
    "gateway_ok": Sentence("the gateway answers", "gateway odpowiada"),
    "gateway_drains": Sentence(
        "the gateway is going down and takes no new questions",
        "gateway kończy pracę i nie przyjmuje nowych pytań",
    ),
    "gateway_silent": Sentence(
        "the gateway does not answer: {error}", "gateway nie odpowiada: {error}"
    ),
    "memory_ok": Sentence("model {model} is in memory", "model {model} jest w pamięci"),
    "memory_not": Sentence("model {model} is not in memory", "modelu {model} nie ma w pamięci"),
    "memory_loading": Sentence(
        "model {model} is being loaded, for {seconds} s now",
        "model {model} jest wczytywany, od {seconds} s",
    ),
    "progress_ok": Sentence("the model server gets on", "serwer modeli pracuje"),
    "progress_none": Sentence(
        "the model server hangs: asked for an answer, it did nothing for {seconds} s",
        "serwer modeli zawiesił się: poproszony o odpowiedź, nic nie robił przez {seconds} s",
    ),
    "models_ok": Sentence("every model has its digest", "każdy model ma właściwą sumę"),
    "models_silent": Sentence("Ollama does not answer: {error}", "Ollama nie odpowiada: {error}"),
    "model_missing": Sentence("model {model} is missing", "brakuje modelu {model}"),
    "model_wrong": Sentence(
        "model {model} has digest {found}, expected {expected}",
        "model {model} ma sumę {found}, a powinien mieć {expected}",
    ),
    "disk_ok": Sentence("{free} MiB are free on disk", "na dysku jest {free} MiB wolnego"),
    "disk_full": Sentence(
        "only {free} MiB are free on the disk of {disk}, {least} are needed",
        "na dysku katalogu {disk} jest tylko {free} MiB wolnego, potrzeba {least}",
    ),
    "disk_unreadable": Sentence(
        "the free space of {disk} cannot be read: {error}",
        "nie można odczytać wolnego miejsca w {disk}: {error}",
    ),
    "probe_ok": Sentence("the model answers", "model odpowiada"),
    "probe_waits": Sentence("the model was not asked yet", "model nie był jeszcze pytany"),
    "probe_failed": Sentence(
        "the model did not answer {times} times in a row: {error}",
        "model nie odpowiedział {times} razy z rzędu: {error}",
    ),
    "capable": Sentence("{core} can answer with {model}", "{core} może odpowiadać, model {model}"),
    "not_capable": Sentence("{core} cannot answer: {why}", "{core} nie może odpowiadać: {why}"),
    "recovering": Sentence(
        "{core} is coming back: {done} of {needed} good looks",
        "{core} wraca: {done} z {needed} dobrych sprawdzeń",
    ),
    "not_looked": Sentence("{core} was not checked yet", "{core} nie był jeszcze sprawdzany"),
    "silent": Sentence("{core} does not answer", "{core} nie odpowiada"),
    "unknown_core": Sentence(
        "there is no core {core}; the cores are {known}",
        "nie ma rdzenia {core}; rdzenie to {known}",
    ),
    "peer_stale": Sentence(
        "{core} has not been heard for {seconds} s", "{core} nie odzywa się od {seconds} s"
    ),
    "peer_stepping_down": Sentence(
        "{core} is handing over itself", "{core} sam właśnie oddaje adres"
    ),
    "already_stepping_down": Sentence("a switch is under way already", "przełączenie już trwa"),
    "cooldown": Sentence(
        "the last switch was {ago} s ago; wait {wait} s more, or force it",
        "ostatnie przełączenie było {ago} s temu; poczekaj jeszcze {wait} s albo je wymuś",
    ),
    "health_silent": Sentence(
        "the health unit of this core does not answer ({error})",
        "usługa health tego rdzenia nie odpowiada ({error})",
    ),
    "no_holder": Sentence(
        "no core holds the address now, so none can hand it over",
        "żaden rdzeń nie ma teraz adresu, więc nie ma kto go oddać",
    ),
    "not_taken_over": Sentence(
        "{core} has not taken the address over in {seconds} s",
        "{core} nie przejął adresu w ciągu {seconds} s",
    ),
    "no_chat": Sentence(
        "Rocket.Chat is not part of this deployment", "to wdrożenie nie ma Rocket.Chat"
    ),
    "assistant_silent": Sentence(
        "the unit assistant of this core does not answer",
        "usługa assistant tego rdzenia nie odpowiada",
    ),
    "hosts_started": Sentence(
        "the hosts were started, and no core held the address",
        "hosty zostały uruchomione, a żaden rdzeń nie miał adresu",
    ),
    "hosts_starting": Sentence(
        "the hosts are still starting: {why}", "hosty jeszcze się uruchamiają: {why}"
    ),
    "witness_away": Sentence("the witness is not reachable", "świadek jest nieosiągalny"),
    "chat_away": Sentence(
        "Rocket.Chat is not reached: {why}", "brak połączenia z Rocket.Chat: {why}"
    ),
    "parity_apart": Sentence(
        "the cores are {percent} % alike; while a deployment runs, one is ahead of the other",
        "rdzenie są zgodne w {percent} %; w trakcie wdrożenia jeden wyprzedza drugi",
    ),
    "first_start": Sentence("first start of the pair", "pierwsze uruchomienie pary"),
    "took_from_healthy": Sentence(
        "{core} no longer announces the address though it can answer",
        "{core} przestał ogłaszać adres, choć może odpowiadać",
    ),
    "asked_for": Sentence("switch asked for by {who}", "przełączenie na życzenie: {who}"),
    "manager_silent": Sentence(
        "the unit core-manager of this core does not answer",
        "usługa core-manager tego rdzenia nie odpowiada",
    ),
    "lease_not_asked": Sentence(
        "the lease was not asked for yet", "nie poproszono jeszcze o dzierżawę"
    ),
    "lease_not_holder": Sentence(
        "{core} does not hold the address", "{core} nie ma wirtualnego adresu"
    ),
    "lease_no_epoch": Sentence(
        "the takeover is not recorded: two of core1, core2 and the witness have to agree",
        "przejęcie nie jest zapisane: muszą się zgodzić dwa z trzech: core1, core2, świadek",
    ),
    "lease_unheard": Sentence(
        "two of core1, core2 and the witness have to agree, and do not: {error}",
        "dwa z trzech (core1, core2, świadek) muszą się zgodzić, a nie odpowiadają: {error}",
    ),
    "lease_others": Sentence(
        "the lease of {core} has not run out yet", "dzierżawa rdzenia {core} jeszcze trwa"
    ),
    "lease_superseded": Sentence(
        "another core took the address over later",
        "inny rdzeń przejął adres później",
    ),
    "lease_gone": Sentence("the lease ran out", "dzierżawa wygasła"),
    "lease_returned": Sentence("the lease was returned", "dzierżawa została oddana"),
    "parity_ollama": Sentence(
        "the Ollama builds differ: {one} has {this}, {other} has {that}",
        "różnią się wersje Ollama: {one} ma {this}, {other} ma {that}",
    ),
    "parity_glue": Sentence(
        "the versions of Heyken's own programs differ: {one} has {this}, {other} has {that}",
        "różnią się wersje programów Heyken: {one} ma {this}, {other} ma {that}",
    ),
    "parity_settings": Sentence(
        "the settings differ: {one} has {this}, {other} has {that}",
        "różnią się ustawienia: {one} ma {this}, {other} ma {that}",
    ),
    "parity_model": Sentence(
        "model {subject} differs: {one} has {this}, {other} has {that}",
        "różni się model {subject}: {one} ma {this}, {other} ma {that}",
    ),
    "parity_template": Sentence(
        "the template of model {subject} differs: {one} has {this}, {other} has {that}",
        "różni się szablon modelu {subject}: {one} ma {this}, {other} ma {that}",
    ),
    "parity_prompt": Sentence(
        "the system prompt of model {subject} differs: {one} has {this}, {other} has {that}",
        "różni się polecenie systemowe modelu {subject}: {one} ma {this}, {other} ma {that}",
    ),
    "parity_parameters": Sentence(
        "the parameters of model {subject} differ: {one} has {this}, {other} has {that}",
        "różnią się parametry modelu {subject}: {one} ma {this}, {other} ma {that}",
    ),
    "parity_other": Sentence(
        "{subject} differs: {one} has {this}, {other} has {that}",
        "{subject} różni się: {one} ma {this}, {other} ma {that}",
    ),
    "ineligible": Sentence(
        "{core} can answer, but would not take the address over now: see its keepalived",
        "{core} może odpowiadać, ale nie przejąłby teraz adresu: sprawdź jego keepalived",
    ),
    "nobody_known": Sentence(
        "it is not known which core holds the address",
        "nie wiadomo, który rdzeń ma adres",
    ),
    "proof_none": Sentence(
        "nothing has been proven yet: run `heyken drill core`, or `heyken prove`",
        "nic jeszcze nie zostało dowiedzione: uruchom `heyken drill core` albo `heyken prove`",
    ),
    "proof_unread": Sentence(
        "the history of drills cannot be read: two of core1, core2 and the witness have to agree",
        "nie można odczytać historii prób: muszą się zgodzić dwa z trzech: core1, core2, świadek",
    ),
    "proof_old": Sentence(
        "the newest proof is {days} days old, more than {most}: run `heyken drill core`",
        "najnowszy dowód ma {days} dni, więcej niż {most}: uruchom `heyken drill core`",
    ),
    "proof_failed": Sentence(
        "the drill {kind} failed: {why}", "próba {kind} się nie powiodła: {why}"
    ),
    "drill_not_whole": Sentence(
        "the pair was not whole again in time", "para nie wróciła na czas do pełnej sprawności"
    ),
    "drill_too_long": Sentence(
        "nothing was answered for {ms} ms, more than {most}",
        "przez {ms} ms nie było odpowiedzi, dłużej niż {most}",
    ),
    "drill_lost": Sentence(
        "{lost} characters were lost, {doubled} came twice, {answers} answers came to no end",
        "zginęło znaków: {lost}, powtórzyło się: {doubled}, niedokończone odpowiedzi: {answers}",
    ),
    "drill_not_measured": Sentence(
        "nobody was there to be answered, so nothing was measured",
        "nikt o nic nie pytał, więc niczego nie zmierzono",
    ),
    "drill_begins": Sentence(
        "A drill begins: for {seconds} s, {what}. Go on working and tell us what you notice.",
        "Zaczyna się próba: przez {seconds} s {what}. Pracuj dalej i powiedz, co zauważysz.",
    ),
    "drill_passed": Sentence(
        "The drill “{kind}” is over and passed: at most {ms} ms without an answer, nothing lost.",
        "Próba „{kind}” zakończona pomyślnie: najdłużej {ms} ms bez odpowiedzi, nic nie zginęło.",
    ),
    "drill_failed": Sentence(
        "The drill “{kind}” is over and failed: {why}.",
        "Próba „{kind}” zakończona niepowodzeniem: {why}.",
    ),
    "drill_broken_off": Sentence(
        "The drill “{kind}” was broken off: {why}.", "Próbę „{kind}” przerwano: {why}."
    ),
    "drill_running": Sentence(
        "the drill “{kind}” is under way, asked for by {who}",
        "trwa próba „{kind}”, o którą poprosił(a) {who}",
    ),
    "drill_unlocked": Sentence(
        "the drills cannot be kept apart: two of core1, core2 and the witness have to agree",
        "nie da się rozdzielić prób: muszą się zgodzić dwa z trzech: core1, core2, świadek",
    ),
    "drill_unknown": Sentence(
        "there is no drill “{kind}”; there are {known}",
        "nie ma próby „{kind}”; są {known}",
    ),
    "drill_not_running": Sentence(
        "no drill with this id is under way", "nie trwa żadna próba o tym identyfikatorze"
    ),
    "drill_wrong": Sentence("the request is wrong: {error}", "żądanie jest błędne: {error}"),
    "drill_what_core": Sentence("{core} is lost", "rdzeń {core} jest stracony"),
    "drill_what_hang": Sentence("the model of {core} hangs", "model rdzenia {core} nie reaguje"),
    "drill_what_network": Sentence(
        "{core} is cut off from everybody", "rdzeń {core} jest odcięty od wszystkich"
    ),
    "drill_what_chat": Sentence("Rocket.Chat is stopped", "Rocket.Chat jest zatrzymany"),
    "drill_what_disk": Sentence("the disk of {core} is full", "dysk rdzenia {core} jest pełny"),
    "drill_what_witness": Sentence("the witness is stopped", "świadek jest zatrzymany"),
}


def say(key: str, **values: object) -> Sentence:
    """Fill in a sentence; a value that is a Sentence itself is taken in each language."""
    form = _TABLE[key]
    english = {k: v.en if isinstance(v, Sentence) else v for k, v in values.items()}
    polish = {k: v.pl if isinstance(v, Sentence) else v for k, v in values.items()}
    return Sentence(form.en.format(**english), form.pl.format(**polish))


def join(sentences: list[Sentence]) -> Sentence:
    """Put several reasons into one sentence."""
    return Sentence("; ".join(s.en for s in sentences), "; ".join(s.pl for s in sentences))
