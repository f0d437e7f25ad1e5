"""Where every output of a study lies.

The Snakefile and the notebooks ask the same `Layout`, so a path is written down once. Every method also accepts
Snakemake wildcards (`layout.dataset("{strategy}", "{dataset}")`).
"""

from dataclasses import dataclass
from pathlib import Path


def find_root(start: Path | None = None) -> Path:
    """Nearest folder at or above `start` (default: the working directory) that holds `params/` and `notebooks/`.

    Raises FileNotFoundError if there is none.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "params").is_dir() and (folder / "notebooks").is_dir():
            return folder
    raise FileNotFoundError(f"no folder with params/ and notebooks/ at or above {here}: run inside the repository")


@dataclass(frozen=True)
class Layout:
    """Paths of one study under `root` (usually `outputs/<study>`)."""

    root: Path

    @property
    def params(self) -> Path:
        """The resolved params of the last run."""
        return self.root / "params.yaml"

    @property
    def samples(self) -> Path:
        """Samples that the study may select from: id, instruction, response, source, licence."""
        return self.root / "corpus" / "samples.parquet"

    @property
    def held_out(self) -> Path:
        """Samples kept out of the study, on which a base model is trained."""
        return self.root / "corpus" / "held_out.parquet"

    @property
    def prompts(self) -> Path:
        """Evaluation prompts with reference responses: id, instruction, response."""
        return self.root / "corpus" / "prompts.parquet"

    @property
    def corpus_report(self) -> Path:
        """What reading the corpus dropped and kept (JSON)."""
        return self.root / "corpus" / "report.json"

    @property
    def responded(self) -> Path:
        """The samples with the responses that the study uses."""
        return self.root / "respond" / "samples.parquet"

    def responses(self, shard: int) -> Path:
        """What a model responded to the instructions of a shard: id, response, ended."""
        return self.root / "respond" / f"responses-{shard}.parquet"

    @property
    def response_replies(self) -> Path:
        """Cache of what a language model replied to instructions (SQLite)."""
        return self.root / "replies" / "responses.sqlite"

    @property
    def population(self) -> Path:
        """Tokens of every sample, and whether the model sees it whole: id, tokens, those of either part, fits."""
        return self.root / "population" / "samples.parquet"

    @property
    def base_model(self) -> Path:
        """The base model as an ordinary checkpoint, with tokenizer and chat template."""
        return self.root / "base_model"

    @property
    def revisions(self) -> Path:
        """Which commit of each hub repository the study loads, a small file each (JSON)."""
        return self.root / "revisions"

    @property
    def embeddings(self) -> Path:
        """Cache of text embeddings, keyed by content and model; safe to delete."""
        return self.root / "embeddings"

    @property
    def tag_replies(self) -> Path:
        """Cache of what a language model replied when asked for tags (SQLite)."""
        return self.root / "replies" / "tags.sqlite"

    @property
    def judge_replies(self) -> Path:
        """Cache of what a language model replied when asked which answer is better (SQLite)."""
        return self.root / "replies" / "judge.sqlite"

    @property
    def results(self) -> Path:
        """Tables behind the figures of the book."""
        return self.root / "results"

    @property
    def ablations(self) -> Path:
        """What each variant of a strategy changes in its datasets, beside its default."""
        return self.root / "ablations" / "datasets.parquet"

    @property
    def kept(self) -> Path:
        """The numbers that a repository holds of the study, a table per kind; see `graph.kept`."""
        return self.root / "kept"

    @property
    def is_laid_out(self) -> bool:
        """Whether the study is shown from kept numbers, where neither its samples nor its models are."""
        return self.kept.is_dir() and not self.samples.is_file()

    @property
    def kept_sources(self) -> Path:
        """Of a study that is kept: a row per licence and source, with how many samples."""
        return self.kept / "sources.parquet"

    @property
    def people(self) -> Path:
        """What people vote on and their votes, by number, and what follows from them."""
        return self.root / "people"

    def types(self, strategy: str) -> Path:
        """The type matrix of a strategy."""
        return self.root / "types" / f"{strategy}.npz"

    def dataset(self, strategy: str, dataset: str) -> Path:
        """One selected dataset: id, instruction, response."""
        return self.root / "datasets" / strategy / f"{dataset}.parquet"

    def levels(self, strategy: str, seed: int) -> Path:
        """A row per dataset of a strategy and seed: size, level, k, pool size, coverage, evenness, what it holds."""
        return self.root / "datasets" / strategy / f"levels-s{seed}.parquet"

    def metrics(self, strategy: str, seed: int) -> Path:
        """The diversity metrics of every dataset of a strategy and seed, for both parts."""
        return self.root / "datasets" / strategy / f"metrics-s{seed}.parquet"

    def model(self, strategy: str, dataset: str) -> Path:
        """The model fine-tuned on a dataset: a full checkpoint or a LoRA adapter."""
        return self.root / "models" / strategy / dataset

    def losses(self, strategy: str, dataset: str) -> Path:
        """The training loss of the model of a dataset, a row per optimiser step."""
        return self.model(strategy, dataset) / "loss.parquet"

    def answers(self, strategy: str, dataset: str) -> Path:
        """Answers of one model, and the likelihood of the references."""
        return self.root / "answers" / strategy / f"{dataset}.parquet"

    def verdicts(self, strategy: str, seed: int) -> Path:
        """The verdicts of all judges on the models of a strategy, against the baseline of the seed."""
        return self.root / "verdicts" / strategy / f"verdicts-s{seed}.parquet"

    def scores(self, strategy: str, seed: int) -> Path:
        """One score with interval per model of a strategy and seed, by each judge."""
        return self.root / "verdicts" / strategy / f"scores-s{seed}.parquet"

    def notebook(self, stage: str, cell: str = "") -> Path:
        """The executed notebook of a stage, or of one cell of its grid."""
        return self.root / "notebooks" / stage / f"{cell or stage}.ipynb"

    def log(self, stage: str, cell: str = "") -> Path:
        """The notebook while it runs, and after it failed; what it printed is beside it, `.txt` appended."""
        return self.root / "logs" / stage / f"{cell or stage}.ipynb"

    def manifest(self, stage: str, cell: str = "") -> Path:
        """What a cell was computed from, with what, and what it made (JSON)."""
        return self.root / "manifests" / stage / f"{cell or stage}.json"

    def stamp(self, stage: str, cell: str = "") -> Path:
        """An empty file that is there while the manifest of a cell holds; the graph goes by it."""
        return self.root / "stamps" / stage / (cell or stage)

    def attempt(self, name: str) -> "Layout":
        """Where a notebook that is run by hand writes; it reads from the study."""
        return Layout(self.root / "tries" / name)
