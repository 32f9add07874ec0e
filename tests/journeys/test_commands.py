"""No command stands in the documents that no test runs: here as written, or elsewhere on less data or hardware."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cuts import frames_of, write_video

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN_AS_WRITTEN = re.compile(r"<!-- (?:test(?: \w+)?|run) -->\n```bash\n.*?```", re.DOTALL)
"""Blocks that test_documents.py, test_howtos.py, test_coders_pages.py and test_extend.py run."""

HERE = (
    "mien doctor",
    "mien models",
    "mien models s2d-small",
    "mien train ferplus --help",
    "mien train videos --help",
    "mien train smoke",
    "mien analyze talk.mp4 -o out",
    "mien analyze talk.mp4 -o out --signals expression --signals pose",
    "mien explain talk.mp4 -o why",
    "mien plot out",
    "mien evaluate --predictions preds.csv labels.csv",
    "mien prepare folder my-videos -o prepared",
)
ELSEWHERE = {
    "mien prepare dfew": "tests/journeys/test_howtos.py::test_reproduce_on_dfew_begins_as_written",
    "mien prepare myset": "tests/journeys/test_howtos.py::test_the_data_set_that_a_howto_adds_is_read",
    "mien prepare affectnet7": "tests/journeys/test_every_set.py::test_images",
    "mien prepare veatic": "tests/data/test_gated_datasets.py::test_veatic_trains_a_head_of_valence_and_arousal",
    "mien prepare bah": "tests/data/test_gated_datasets.py",
    "mien prepare hrm": "tests/data/test_gated_datasets.py",
    "mien prepare infer": "tests/data/test_gated_datasets.py",
    "mien prepare people": "tests/cli/test_prepare_people.py::test_the_command_says_what_it_made_and_draws_a_sheet",
    "mien train affectnet7": "tests/journeys/test_every_set.py::test_images",
    "mien train dfew": "tests/journeys/test_every_set.py::test_clips",
    "mien train videos": "tests/journeys/test_howtos.py::test_train_on_my_own_videos",
    "mien train images": "tests/journeys/test_every_set.py::test_images",
    "mien train heads": "tests/training/test_masked.py::test_the_commands_train_and_measure",
    "mien train poster": "tests/parity/test_poster.py::test_the_recipe_learns_with_what_it_says",
    "mien train points": "tests/models/test_points.py::test_the_recipe_trains_and_a_film_is_analysed",
    "mien relabel": "tests/models/test_text_head.py::test_the_commands_train_relabel_and_tell",
    "mien train landmarks": "tests/training/test_recipes.py::test_train_write_load_evaluate",
    "mien train covered": "tests/models/test_covered.py::test_covers_on_drawn_faces_are_found",
    "mien train signals": "tests/training/test_facial.py::test_a_run_adds_signals_and_changes_nothing_else",
    "mien train smoke --kind static --recipe.terms": "tests/parity/test_cues.py::test_a_recipe_takes_it_by_flag",
    "mien prepare folder my-videos -o prepared --sound": "tests/cli/test_sound_verbs.py",
    "mien train sound": "tests/cli/test_sound_verbs.py::test_what_only_the_sound_tells_is_learnt_and_said",
    "mien train sound --data prepared --picture s2d-small --out runs/joined": "tests/training/test_joined.py",
    "mien analyze talk.mp4 -o out --sound": "tests/cli/test_sound_verbs.py",
    "mien train ferplus": "tests/training/test_recipes.py::test_train_write_load_evaluate",
    "mien train ferplus-video": "tests/training/test_recipes.py::test_a_video_model_learns_from_faces_that_move",
    "mien pretrain": "tests/cli/test_pretraining.py",
    "mien evaluate": "tests/cli/test_evaluate.py",
    "mien adapt": "tests/training/test_adapt.py::test_pictures_in_a_folder_with_an_encoder_of_mien_pretrain",
    "mien adapt runs/mine --forget": "tests/training/test_forget.py",
    "mien convert": "tests/cli/test_convert.py",
    "mien export": "tests/cli/test_export.py",
    "mien doctor --engines": "tests/engines/test_opening_engines.py",
    "mien analyze talk.mp4 -o out --model": "tests/engines/test_opening_engines.py::test_an_exported_file_is_a_model",
    "mien analyze talk.mp4 -o out --prior": "tests/cli/test_analyze.py::test_another_reading_is_asked_for_by_name",
    "mien analyze talk.mp4 -o out --compound": "tests/report/test_mixed.py",
    "mien analyze talk.mp4 --signals": "tests/cli/test_analyze.py::test_every_key_and_column_is_in_the_documents",
    "mien analyze talk.mp4 -o out --model runs/covered": "tests/analysis/test_covers.py",
    "mien analyze --covered": "tests/analysis/test_covers.py::test_a_face_covered_too_far_is_abstained_from",
    "mien analyze - -o out": "tests/cli/test_analyze.py::test_standard_input_is_a_source",
    "mien analyze ... --workers 2": "tests/journeys/test_same_files.py::test_two_workers_write_what_one_writes",
    "mien explain ferplus_48.npz --mean": "tests/explain/test_mean.py::test_the_command_writes_numbers_and_a_picture",
    "mien explain a.png --with": "tests/cli/test_explain.py::test_two_pictures_are_swapped",
    "mien explain --method": "tests/cli/test_explain.py",
    "mien export-result": "tests/cli/test_export_result.py",
    "mien agree": "tests/agreement/test_comparing.py::test_the_command",
    "mien prepare folder my-videos -o prepared --split-by-face": "tests/data/test_face_groups.py",
    "mien prepare --split-by-face": "tests/data/test_face_groups.py",
    "mien analyze talk.mp4 -o out --save-video --landmarks --landmarker": "tests/analysis/test_plugins.py",
    "mien analyze talk.mp4 -o out --pose": "tests/analysis/test_plugins.py",
    "mien analyze talk.mp4 -o out --embedder-file": "tests/analysis/test_reunion.py::test_the_command_writes_no_vector",
    "mien explain talk.mp4 -o why --landmarker": "tests/explain/test_parsed.py::test_the_command",
    "mien explain talk.mp4 -o why --parser": "tests/explain/test_parsed.py::test_the_command",
    "mien explain --parser": "tests/explain/test_parsed.py::test_the_command",
    "mien validate": "tests/agreement/test_validation.py",
    "mien study": "tests/studies/test_study.py::test_the_command_line",
    "mien sweep": "tests/scale/test_finishing.py::test_the_command_does_lists_and_finishes",
    "mien watch": "tests/cli/test_watch.py",
    "mien serve": "tests/serve/test_howto.py",
}
"""Beginnings of commands that need licensed data, hours, a camera or a server: a test that runs them on less."""


def commands() -> dict[str, str]:
    """Every whole command of the documents that is not in a block run elsewhere, and its document."""
    found: dict[str, str] = {}
    for path in DOCUMENTS:
        text = RUN_AS_WRITTEN.sub("", path.read_text("utf-8"))
        blocks = re.findall(r"^ *```bash\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
        lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
        spans = re.findall(r"`(mien [^`\n]+)`", text)
        for line in [*(line.split("#")[0] for line in lines), *spans]:
            words = line.strip()
            if re.match(r"(\w+=\S+ )?mien ", words) and "VERB" not in words:
                found[re.sub(r"^\w+=\S+ ", "", " ".join(words.split()))] = path.name
    return found


def test_every_command_is_run_by_some_test() -> None:
    loose = {
        command: document
        for command, document in commands().items()
        if command not in HERE and not command.startswith(tuple(ELSEWHERE))
    }
    # A verb alone in the running text is a name, not a command.
    assert {command: where for command, where in loose.items() if len(command.split()) > 2} == {}


@pytest.mark.parametrize("place", sorted(set(ELSEWHERE.values())))
def test_the_test_that_stands_for_a_command_exists(place: str) -> None:
    file, _, name = place.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text("utf-8") if name else (ROOT / file).is_file()


@pytest.mark.slow
def test_the_others_run_as_written(furnished, short_clip: Path) -> None:
    # Of a film of twelve frames each command does all that it does of a long one.
    write_video(furnished.folder / "talk.mp4", frames_of(short_clip)[-12:])
    for split in ("train", "test"):
        for name in ("calm", "joy"):
            folder = furnished.folder / "my-videos" / split / name
            folder.mkdir(parents=True)
            (folder / "0.mp4").write_bytes((furnished.folder / "talk.mp4").read_bytes())
    (furnished.folder / "labels.csv").write_text("id,label\na,happiness\nb,neutral\n")
    (furnished.folder / "preds.csv").write_text("id,happiness,neutral\na,0.9,0.1\nb,0.2,0.8\n")
    for command in HERE:
        ran = furnished.run(*command.split())
        assert ran.returncode == 0, f"{command}\n{ran.stderr[-3000:]}"
        assert ran.stdout, command
