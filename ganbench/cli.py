"""The commands of `ganbench`: parse, call one function, print. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from ganbench.commands import options
from ganbench.commands.group import Commands
from ganbench.version import __version__

OWN_BUG = 1

app = typer.Typer(
    cls=Commands,
    help="Which GAN training tricks matter? Suites of runs, with seeds, tests and verdicts.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich would double the time that --help takes
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(wanted: bool) -> None:
    if wanted:
        print(f"ganbench {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    suite: options.Files,
    profile: options.Profile = None,
    results: options.Results = options.DEFAULT_RESULTS,
    jobs: options.Jobs = None,
    executor: options.ExecutorName = "local",
    executor_option: options.ExecutorOption = None,
    cells_per_gpu: options.CellsPerGpu = None,
    device: options.Device = None,
    seeds: options.Seeds = None,
    cells: options.Cells = None,
    shard: options.Shard = None,
    set_: options.Set = None,
    retry: options.Retry = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first cell that fails.")] = False,
    max_hours: Annotated[float | None, typer.Option(help="Save and stop after so many hours (exit code 75).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Like plan: say what would run.")] = False,
    profile_cell: Annotated[bool, typer.Option("--profile-cell", help="Say where the time of a cell goes.")] = False,
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Run what is not finished; the same command again resumes."""
    from ganbench.commands.arguments import Choice
    from ganbench.commands.plan import plan as show_plan
    from ganbench.commands.run import results_store, run as run_all

    choice = Choice(
        suites=suite,
        profile=profile,
        device=device,
        seeds=seeds,
        overrides=set_ or (),
        large=yes,
        jobs=jobs,
        executor=executor,
        executor_options=options.executor_options(executor_option, cells_per_gpu),
        cells=cells,
        shard=shard,
        retry=retry or (),
        fail_fast=fail_fast,
        max_hours=max_hours,
        profile_cell=profile_cell,
    )
    store = results_store(results)
    finish(show_plan(choice, store, as_json, resolved=False) if dry_run else run_all(choice, store, as_json))


@app.command()
def plan(
    suite: options.Files,
    profile: options.Profile = None,
    results: options.Results = options.DEFAULT_RESULTS,
    jobs: options.Jobs = None,
    executor: options.ExecutorName = "local",
    executor_option: options.ExecutorOption = None,
    cells_per_gpu: options.CellsPerGpu = None,
    device: options.Device = None,
    seeds: options.Seeds = None,
    cells: options.Cells = None,
    shard: options.Shard = None,
    set_: options.Set = None,
    retry: options.Retry = None,
    resolved: Annotated[bool, typer.Option("--resolved", help="Print the full configuration of each level.")] = False,
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """What a run would do: cells, conflicts, time, and the smallest effect that the seeds can show."""
    from ganbench.commands.arguments import Choice
    from ganbench.commands.plan import plan as show_plan
    from ganbench.commands.run import results_store

    choice = Choice(
        suites=suite,
        profile=profile,
        device=device,
        seeds=seeds,
        overrides=set_ or (),
        large=yes,
        jobs=jobs,
        executor=executor,
        executor_options=options.executor_options(executor_option, cells_per_gpu),
        cells=cells,
        shard=shard,
        retry=retry or (),
    )
    finish(show_plan(choice, results_store(results), as_json, resolved))


@app.command()
def report(
    suite: options.Suites = None,
    results: options.Results = options.DEFAULT_RESULTS,
    output: Annotated[Path | None, typer.Option(help="Write here instead of the suite's report folder.")] = None,
    formats: Annotated[
        str | None, typer.Option("--format", metavar="md,csv,tex,html,json", help="Which formats.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Decide by this metric instead of the suite's.")] = None,
    allow_partial: Annotated[bool, typer.Option("--allow-partial", help="Also while cells are missing.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Tables, verdicts and pictures from results."""
    from ganbench.commands.report import report as write_report
    from ganbench.commands.run import results_store

    finish(write_report(results_store(results), suite or (), formats, output, metric, allow_partial, as_json))


@app.command()
def status(
    suite: options.Suites = None, results: options.Results = options.DEFAULT_RESULTS, as_json: options.AsJson = False
) -> None:
    """What runs, what is done, what failed and why."""
    from ganbench.commands.look import status as show_status
    from ganbench.commands.run import results_store

    finish(show_status(results_store(results), suite or (), as_json))


@app.command()
def logs(
    cell: Annotated[str, typer.Argument(metavar="CELL", help="Its id, the beginning of it, or a glob.")],
    results: options.Results = options.DEFAULT_RESULTS,
    lines: Annotated[int, typer.Option(min=1, help="How many of the last lines.")] = 40,
    as_json: options.AsJson = False,
) -> None:
    """The last lines that a cell printed, with the traceback if it failed."""
    from ganbench.commands.look import logs as show_logs
    from ganbench.commands.run import results_store

    finish(show_logs(results_store(results), cell, lines, as_json))


@app.command()
def sample(
    cell: Annotated[str, typer.Argument(metavar="CELL", help="Its id, or the beginning of it.")],
    output: Annotated[Path, typer.Option(help="Folder for the images.")],
    count: Annotated[int, typer.Option(min=1, help="How many images.")] = 16,
    labels: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Ask for a label, as in hair=red; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the latents.")] = 0,
    interpolate: Annotated[
        int | None, typer.Option(min=2, help="One picture of COUNT rows, each so many images between two latents.")
    ] = None,
    device: options.ComputeDevice = "cpu",
    results: options.Results = options.DEFAULT_RESULTS,
    as_json: options.AsJson = False,
) -> None:
    """Images from the generator of a finished cell."""
    from ganbench.commands.run import results_store
    from ganbench.commands.sample import sample as write_samples

    finish(write_samples(results_store(results), cell, count, output, labels or (), seed, device, interpolate, as_json))


@app.command()
def score(
    images: Annotated[Path, typer.Argument(metavar="IMAGES", help="A folder of PNG, JPEG, WebP or BMP files.")],
    dataset: Annotated[str | None, typer.Option(help="The real images: a data set's name, such as celeba.")] = None,
    option: options.DatasetOption = None,
    labels: Annotated[
        Path | None, typer.Option(help="CSV: the column file, and what each image was asked to show.")
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="A suite that was run: measure like it, for its next report.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="In the table; by default the folder's name.")] = None,
    device: options.ComputeDevice = "cpu",
    results: options.Results = options.DEFAULT_RESULTS,
    as_json: options.AsJson = False,
) -> None:
    """The same metrics for a folder of images that any other program has made."""
    from ganbench.commands.run import results_store
    from ganbench.commands.score import score as score_folder

    store = results_store(results)
    finish(score_folder(store, images, dataset, option or (), labels, suite, name, device, as_json))


@app.command()
def prepare(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Its name, such as celeba.")],
    option: options.DatasetOption = None,
    results: options.Results = options.DEFAULT_RESULTS,
    as_json: options.AsJson = False,
) -> None:
    """Put a data set into the cache, and say what was left out and why."""
    from ganbench.commands.prepare import prepare as prepare_dataset
    from ganbench.commands.run import results_store

    finish(prepare_dataset(results_store(results), dataset, option or (), as_json))


@app.command()
def compare(
    suite: options.RanSuite,
    level_a: Annotated[str, typer.Argument(metavar="LEVEL_A", help="Such as baseline, or axis=level.")],
    level_b: Annotated[str, typer.Argument(metavar="LEVEL_B")],
    results: options.Results = options.DEFAULT_RESULTS,
    as_json: options.AsJson = False,
) -> None:
    """Two levels: what differs in their configuration, and what that did."""
    from ganbench.commands.compare import compare as show_comparison
    from ganbench.commands.run import results_store

    finish(show_comparison(results_store(results), suite, level_a, level_b, as_json))


@app.command()
def gate(
    suite: options.RanSuite,
    most: Annotated[
        list[str] | None, typer.Option("--max", metavar="METRIC=VALUE", help="The baseline's score is at most this.")
    ] = None,
    least: Annotated[
        list[str] | None, typer.Option("--min", metavar="METRIC=VALUE", help="The same for at least.")
    ] = None,
    results: options.Results = options.DEFAULT_RESULTS,
    as_json: options.AsJson = False,
) -> None:
    """For continuous integration: exit code 4 when the baseline's score is worse than a bound."""
    from ganbench.commands.compare import gate as check_gate
    from ganbench.commands.run import results_store

    finish(check_gate(results_store(results), suite, most or (), least or (), as_json))


@app.command()
def clean(
    suite: options.Suites = None,
    results: options.Results = options.DEFAULT_RESULTS,
    generators: Annotated[
        bool, typer.Option("--generators", help="Also kept generators: cells cannot be scored again without them.")
    ] = False,
    orphans: Annotated[bool, typer.Option("--orphans", help="Also cells that are not in the plan any more.")] = False,
    stale: Annotated[
        bool, typer.Option("--stale", help="Also cells whose plugins or data have changed since.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove what nobody needs any more: checkpoints of finished cells, half-written and damaged files."""
    from ganbench.commands.clean import clean as clean_suites
    from ganbench.commands.run import results_store
    from ganbench.unneeded import Wanted

    wanted = Wanted(generators=generators, orphans=orphans, stale=stale)
    finish(clean_suites(results_store(results), suite or (), wanted, dry_run, as_json))


@app.command()
def export(
    suite: options.Suites = None,
    results: options.Results = options.DEFAULT_RESULTS,
    output: Annotated[Path | None, typer.Option(help="The archive; by default SUITE.zip here.")] = None,
    generators: Annotated[
        bool, typer.Option("--generators", help="With kept generators, to score again there.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Finished cells as one file, to import on another machine."""
    from ganbench.commands.export import export as export_suites
    from ganbench.commands.run import results_store

    finish(export_suites(results_store(results), suite or (), output, generators, as_json))


@app.command("import")
def import_(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="What `ganbench export` has written.")],
    results: options.Results = options.DEFAULT_RESULTS,
    keep: Annotated[
        bool, typer.Option("--keep", help="Where a cell finished here with another result, keep that; else refuse.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything, and only say what is new.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Finished cells from another machine; every file is checked, and no result here is overwritten."""
    from ganbench.commands.import_results import import_results
    from ganbench.commands.run import results_store

    finish(import_results(results_store(results), archive, keep, dry_run, as_json))


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Argument(metavar="KIND", help="Such as tricks or losses.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """The plugins that suites can name."""
    from ganbench.commands.plugins import show_list

    finish(show_list(kind, as_json))


@app.command()
def show(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Such as trick, loss, metric.")],
    name: Annotated[str, typer.Argument(metavar="NAME")],
    as_json: options.AsJson = False,
) -> None:
    """One plugin: what it does, its options and their defaults."""
    from ganbench.commands.plugins import show_one

    finish(show_one(kind, name, as_json))


@app.command()
def plugins(
    check: Annotated[bool, typer.Option("--check", help="Import each of them, too.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """All installed plugins, from which package, and which are broken and why."""
    from ganbench.commands.plugins import show_plugins

    finish(show_plugins(check, as_json))


@app.command()
def new(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="plugin")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="As suites will write it: letters, digits and _.")],
    kind: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="Such as trick (the default), loss, metric; repeatable.")
    ] = None,
    output: Annotated[Path, typer.Option(help="The folder to make the package in.")] = Path(),
    as_json: options.AsJson = False,
) -> None:
    """A package with a plugin of your own to start from: code, tests, a suite."""
    from ganbench.commands.new import new as make_new

    finish(make_new(what, name, kind or (), output, as_json))


@app.command()
def check(
    target: Annotated[
        list[str],
        typer.Argument(metavar="TARGET...", help="A plugin, KIND:NAME, a package's folder, a file; or a suite."),
    ],
    only: Annotated[list[str] | None, typer.Option(metavar="CHECK", help="Make this check only; repeatable.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Does a plugin keep to the contract? Says what to change where it does not. Of a suite: has it mistakes?"""
    from ganbench.commands.check import check as check_all

    finish(check_all(target, as_json, only=only))


@app.command()
def schema() -> None:
    """The JSON schema of suite files, for editors."""
    from ganbench.commands.screen import document
    from ganbench.suite import schema as suite_schema

    document(suite_schema())


@app.command()
def doctor(results: options.Results = options.DEFAULT_RESULTS, as_json: options.AsJson = False) -> None:
    """What is wrong with this installation, and what to do."""
    from ganbench.commands.run import results_store
    from ganbench.doctor import doctor as examine

    finish(examine(results_store(results), as_json))


def finish(code: int) -> None:
    raise typer.Exit(code)


def main() -> None:
    """The entry point. What nobody expected is our own bug: the traceback, then what to make of it."""
    try:
        app()
    except Exception as error:
        from ganbench.commands.screen import note

        note(traceback.format_exc().rstrip())
        line = " ".join(str(error).split())[:200]
        note(f"ganbench {__version__}: {type(error).__name__}: {line}: this is a bug in ganbench")
        sys.exit(OWN_BUG)


if __name__ == "__main__":
    main()
