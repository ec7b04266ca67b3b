"""Plant one bug at a time in a copy of the sources and see that the test named beside it fails.

    python tests/planted_bugs.py            all of them
    python tests/planted_bugs.py NUMBER     one

A bug nobody notices is a hole in the tests; a text that no longer occurs exactly once is an error
here, so that the list cannot rot.
"""

from __future__ import annotations

import os
import runpy
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COPIED = (
    "setup.py",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "build_support",
    "csparc",
    "python",
    "tests",
)


@dataclass(frozen=True)
class Bug:
    what: str
    file: str
    right: str
    wrong: str
    test: str


BUGS = [
    Bug(
        "sizes of scratch wrap around",
        "csparc/base/size.h",
        "? SIZE_MAX : product;",
        "? product : product;",
        "core/test_hostile_sizes.py::test_a_sum_that_wraps_is_seen",
    ),
    Bug(
        "masks are read where the caller writes them",
        "csparc/py/take.c",
        "if (!signature->parameter[arrays->argument[k]].copied)",
        "if (signature != NULL)",
        "core/test_copied_inputs.py::test_what_a_mask_leaves_out_is_settled_before_the_call",
    ),
    Bug(
        "the edge lets whole numbers above their most pass",
        "csparc/py/take.c",
        "if (*out >= parameter->least && *out <= parameter->most)",
        "if (*out >= parameter->least)",
        "core/test_hostile_numbers.py::test_a_refusal_says_what_was_found_and_expected",
    ),
    Bug(
        "the local loss forgets one direction in the gradient of matching pairs",
        "csparc/loss/sparc/token_contrast.c",
        "-weight * (square->rows.share[j] + square->columns.share[j])",
        "-weight * (square->rows.share[j] + square->rows.share[j])",
        "losses/test_sparc.py::test_against_reference",
    ),
    Bug(
        "log-sums of tiles are merged without their shift",
        "csparc/loss/entropy/logsumexp.h",
        "*sum = *sum * exp(*top - other_top) + other_sum;",
        "*sum = *sum + other_sum;",
        "losses/test_clip.py::test_against_reference",
    ),
    Bug(
        "columns past the last whole unit are added to twice",
        "csparc/la/tile_loops.h",
        "if (result->rows != result->c && !(result->hints & CS_STREAM)) {",
        "if (!(result->hints & CS_STREAM)) {",
        "core/test_tiles.py::test_accumulates_into_itself",
    ),
    Bug(
        "ties for the lowest patch go to the last one",
        "csparc/loss/kernels/alignment.c",
        "first[w] = cs_lower(cs_select(x == low[w], here, first[w]), first[w]);",
        "first[w] = cs_select(x == low[w], here, first[w]);",
        "losses/test_sparc.py::test_exact_ties",
    ),
    Bug(
        "padding receives a share of the global gradient",
        "csparc/loss/sparc/rows_out.c",
        "store_bias_row(D, bias_everywhere ? bias : NULL, out);",
        "store_bias_row(D, bias, out);",
        "losses/test_sparc.py::test_options_against_reference",
    ),
    Bug(
        "the gradient of a mean of valid rows is not divided by their number",
        "csparc/loss/sparc/objective.c",
        "m->dmean[i * D + d] /= (cs_real)count;",
        "m->dmean[i * D + d] /= (cs_real)m->rows;",
        "losses/test_sparc.py::test_options_against_reference",
    ),
    Bug(
        "tokens without a patch count in the mean over all tokens",
        "csparc/loss/sparc/objective.c",
        "if (patches == 0)",
        "if (patches == 0 && !per_token)",
        "losses/test_sparc.py::test_options_against_reference",
    ),
    Bug(
        "a token scaled back into range keeps its old length",
        "csparc/loss/sparc/rows_in.c",
        "length <= CS_DEAD_NORM ? 0 : 1 / (length * scale);",
        "length <= CS_DEAD_NORM ? 0 : 1 / length;",
        "losses/test_sparc.py::test_scales_beyond_the_square_root_of_the_range",
    ),
    Bug(
        "a cursor repeats the last picture of its batch",
        "python/csparc/data/loading/assembly.py",
        "self._taken(chunk.epoch, item.drawn.place + 1)",
        "self._taken(chunk.epoch, item.drawn.place)",
        "data/test_loader.py::test_a_cursor_goes_on_with_exactly_the_next_batch",
    ),
    Bug(
        "a resized picture is cut down instead of rounded",
        "csparc/data/pair_lanes.h",
        "ONE_HALF = 1 << (CS_WEIGHT_BITS - 1)",
        "ONE_HALF = 0",
        "data/test_transforms.py::test_default_is_shortest_side_bicubic_and_centre_crop",
    ),
    Bug(
        "of equal scores a later one stands before the right answer, too",
        "csparc/rank/before.c",
        "(same && text < images->right[r])",
        "same",
        "core/test_before.py::test_counts_are_those_of_one_pair_at_a_time",
    ),
    Bug(
        "a unit vector's gradient forgets the projection",
        "csparc/la/unit_vector.h",
        "scale_add(D, -inverse * along,",
        "scale_add(D, 0 * along,",
        "core/test_ops.py::test_gradient",
    ),
    Bug(
        "objects three quarters hidden stay in scenes",
        "csparc/data/scene_draw.c",
        "256 * objects[k].area < (256",
        "512 * objects[k].area < (256",
        "data/test_scene_core.py::test_hidden_and_tiny_objects_are_drawn_again",
    ),
    Bug(
        "a relation is claimed on the diagonal",
        "python/csparc/data/scenes/forms.py",
        "along > DOMINANCE * abs(across)",
        "along > abs(across)",
        "data/test_grammar.py::test_relations_need_their_margins",
    ),
    Bug(
        "the stored scale gets the gradient of the multiplied one",
        "python/csparc/trainer/step.py",
        'scale * result.grads["logit_scale"] / slices',
        'result.grads["logit_scale"] / slices',
        "training/test_step.py::test_the_gradient_of_the_stored_scale_is_that_of_the_loss",
    ),
    Bug(
        "accumulated slices are summed instead of averaged",
        "python/csparc/trainer/step.py",
        "gradient if slices == 1 else gradient / slices",
        "gradient",
        "training/test_step.py::test_accumulation_averages_the_losses_of_the_slices",
    ),
    Bug(
        "scales that a loss learns ignore the run's limit",
        "python/csparc/trainer/step.py",
        "self.loss.constrain(config.scale_max)",
        "self.loss.constrain()",
        "losses/test_loss_class.py::test_the_runs_largest_scale_holds_for_every_scale_that_is_learned",
    ),
    Bug(
        "the figure that is to decide the best checkpoint is ignored",
        "python/csparc/trainer/validation.py",
        "return result.get(self.best)",
        "return float(len(result))",
        "evaluate/test_tasks.py::test_a_figure_decides_the_best_checkpoint",
    ),
    Bug(
        "a resumed optimiser counts its steps from 0",
        "python/csparc/trainer/state.py",
        "self.optimizer.t = self.counters.step",
        "self.optimizer.t = 0",
        "training/test_resume.py::test_kill_9_at_random_moments",
    ),
    Bug(
        "a checkpoint's checksums are not compared",
        "python/csparc/checkpoint/checkpoint.py",
        "if checksum(array) != checksums[name]:",
        "if not checksum(array) and not checksums[name]:",
        "training/test_malformed_checkpoints.py::test_broken_bytes",
    ),
    Bug(
        "ties of FILIP's maximum go to the last key",
        "csparc/loss/kernels/argmax.c",
        "cs_truth better = row > top;",
        "cs_truth better = row >= top;",
        "losses/test_filip.py::test_exact_ties_go_to_the_lowest_index",
    ),
    Bug(
        "an owner's part of a block is left out of PACL's and GLoRIA's image gradient",
        "csparc/loss/gram/packed_images.c",
        "for (size_t owner = 1; owner < block->owners; owner++) {",
        "for (size_t owner = 1; owner + 1 < block->owners; owner++) {",
        "losses/test_gloria.py::test_sizes",
    ),
    Bug(
        "what counts as dead is not scaled with the patches it is compared with",
        "csparc/loss/sparc/rows_in.h",
        "CS_DEAD_NORM * rows->patch_scale",
        "CS_DEAD_NORM",
        "losses/test_extremes.py::test_sparc_of_lengths_side_by_side_is_that_of_float64",
    ),
    Bug(
        "sums of patches that nearly cancel are read off the Gram matrix",
        "csparc/loss/gram/short_sums.c",
        "return norm < CS_SHORT_SUM * reach;",
        "return norm < 0 * reach;",
        "losses/test_short_sums.py::test_gloria",
    ),
    Bug(
        "teams are made without trying whether their threads can be",
        "csparc/base/threads.c",
        "granted < count ? granted : count;",
        "granted < count ? count : count;",
        "core/test_thread_limits.py::test_a_limit_on_processes",
    ),
    Bug(
        "captions without words stay candidates",
        "csparc/loss/gram/gloria.c",
        "w->has_caption[i] = w->words[i] > 0;",
        "w->has_caption[i] = 1;",
        "losses/test_gloria.py::test_against_reference",
    ),
    Bug(
        "matches of one group are not pulled together",
        "csparc/loss/entropy/same_group.c",
        "expm1(x + log(n)) / n - share * exp(x);",
        "-share * exp(x);",
        "losses/test_groups.py::test_against_reference",
    ),
    Bug(
        "shuffled patches leave their gradient with the sample that read them",
        "csparc/loss/sparc/local_loss.c",
        "at(all->dpatches, source * P * D);",
        "at(all->dpatches, i * P * D);",
        "losses/test_sparc.py::test_options_against_reference",
    ),
    Bug(
        "the other sets of a mix begin anew every epoch",
        "python/csparc/data/mixed.py",
        "np.arange(epoch * len(places), (epoch + 1) * len(places))",
        "np.arange(len(places))",
        "data/test_mixed.py::test_every_batch_has_its_shares_and_an_epoch_the_first_set",
    ),
    Bug(
        "a damaged shard of features is taken as it is",
        "python/csparc/features/manifest.py",
        "if crc32 != entry.crc32:",
        "if False:",
        "features/test_frozen_features.py::test_a_damaged_shard_is_made_again",
    ),
    Bug(
        "a cursor forgets the pictures that wait",
        "python/csparc/data/loading/assembly.py",
        "waiting = [self._work.ticket(item.drawn) for item in filling.waiting]",
        "waiting = []",
        "data/test_duplicates.py::test_what_waits_comes_first_in_the_order_of_the_epoch",
    ),
    Bug(
        "Sinkhorn stops a round early",
        "csparc/loss/mgca/prototypes.c",
        "ROUNDS = 3",
        "ROUNDS = 2",
        "losses/test_mgca.py::test_against_reference",
    ),
    Bug(
        "below an image lies its top row",
        "csparc/op/conv_image.c",
        "row > Y ? Y - 1 : row - 1",
        "row > Y ? 0 : row - 1",
        "core/test_ops.py::test_value",
    ),
    Bug(
        "the gradient of the border below an image counts twice",
        "csparc/op/conv_image.c",
        "rows->scale_add(X * C, 1, dpadded + (Y + 1) * line + C",
        "rows->scale_add(X * C, 2, dpadded + (Y + 1) * line + C",
        "core/test_ops.py::test_gradient",
    ),
    Bug(
        "a window reaches over the whole row to the right",
        "csparc/op/layer_kernels.c",
        "(fabs(w->x[l] - w->key_x[k]) <= w->reach[k])",
        "(w->x[l] - w->key_x[k] <= w->reach[k])",
        "core/test_ops.py::test_value",
    ),
    Bug(
        "shared queries get the gradient of the last sample alone",
        "csparc/op/attention_pool.c",
        "each + b * row, b > 0, dq);",
        "each + b * row, 0, dq);",
        "core/test_ops.py::test_gradient",
    ),
    Bug(
        "a word of its own has read its caption",
        "python/csparc/models/text.py",
        "return words, None if x is None else",
        "return x or words, None if x is None else",
        "models/test_local_towers.py::test_a_word_is_the_same_wherever_it_stands",
    ),
    Bug(
        "equal words count once among those a picture lacks",
        "csparc/loss/words/contrast.c",
        "c->tokens[(size_t)c->row[t] - c->first_row] += 1;",
        "c->tokens[(size_t)c->row[t] - c->first_row] = 1;",
        "losses/test_word_contrast.py::test_against_reference",
    ),
    Bug(
        "a token is given the gradient of all that equal it",
        "csparc/loss/words/word_contrast.c",
        "w->shared ? outer * c->token_weight[t] : 1,",
        "w->shared ? outer * c->row_weight[c->row[t] - (int64_t)c->first_row] : 1,",
        "losses/test_word_contrast.py::test_one_token_moved_of_several_equal_ones",
    ),
    Bug(
        "a tie with a wrong caption counts as right",
        "python/csparc/evaluate/hardneg/measures.py",
        "return share(right > wrong, 50.0,",
        "return share(right >= wrong, 50.0,",
        "evaluate/test_hardneg.py::test_a_tie_is_wrong",
    ),
    Bug(
        "Winoground's captions are compared with each other in place of its pictures",
        "python/csparc/evaluate/hardneg/measures.py",
        "image = (s[:, 0, 0] > s[:, 1, 0])",
        "image = (s[:, 0, 0] > s[:, 0, 1])",
        "evaluate/test_hardneg.py::test_the_three_scores_of_winoground_by_hand",
    ),
    Bug(
        "classes that tie all rank first",
        "python/csparc/evaluate/zeroshot/measures.py",
        "(scores > own) | ((scores == own) & before)",
        "(scores > own)",
        "evaluate/test_zeroshot.py::test_an_encoder_that_tells_nothing_apart_gets_what_chance_gives",
    ),
    Bug(
        "pictures that tie have a precision each",
        "python/csparc/evaluate/zeroshot/measures.py",
        "np.append(scores[1:] != scores[:-1], True)",
        "np.append(scores[1:] == scores[1:], True)",
        "evaluate/test_zeroshot.py::test_average_precision_is_that_of_scikit_learn",
    ),
    Bug(
        "the four extra corruptions count in the mean",
        "python/csparc/evaluate/zeroshot/task.py",
        "counted = [kind for kind in CORRUPTIONS if kind in there] or there",
        "counted = there",
        "evaluate/test_zeroshot.py::test_corruptions_count_equally_whatever_their_pictures",
    ),
    Bug(
        "pictures are found by chance among as many as there are captions",
        "python/csparc/evaluate/ranking.py",
        "100.0 * min(k, n) / n",
        "100.0 * min(k, n) / m",
        "evaluate/test_retrieval.py::test_chance_is_the_mean_over_random_orders",
    ),
    Bug(
        "pixels of the background are wrong where they are not to be counted",
        "python/csparc/evaluate/segmentation/overlap.py",
        "counted = truth > 0 if background",
        "counted = truth >= 0 if background",
        "evaluate/test_segmentation.py::test_void_counts_nowhere_and_background_as_the_convention_says",
    ),
    Bug(
        "a class that is nowhere is in the mean over classes",
        "python/csparc/evaluate/segmentation/overlap.py",
        "out=np.full(len(both), np.nan)",
        "out=np.zeros(len(both))",
        "evaluate/test_segmentation.py::test_two_images_by_hand",
    ),
    Bug(
        "a word said twice counts twice whatever the references say",
        "python/csparc/evaluate/faithfulness/precision.py",
        "(Counter(said) & Counter(known)).total()",
        "sum(word in known for word in said)",
        "evaluate/test_faithfulness.py::test_k_precision_by_hand",
    ),
    Bug(
        "a patch that weighs the same as another wins against it",
        "python/csparc/evaluate/placement.py",
        "np.take_along_axis(below, starts, 1) +",
        "np.take_along_axis(below, ends, 1) +",
        "evaluate/test_placement.py::test_alignment_scores_by_hand",
    ),
    Bug(
        "captions of a picture are drawn by themselves",
        "python/csparc/evaluate/intervals.py",
        "owner = np.arange(len(items)) if pictures is None else",
        "owner = np.arange(len(items)) if True else",
        "evaluate/test_intervals.py::test_one_picture_is_one_item_however_many_captions_it_has",
    ),
    Bug(
        "boxes of VOC begin a pixel late",
        "python/csparc/data/readers/boxes.py",
        "return left - 1, top - 1, right, bottom",
        "return left, top, right, bottom",
        "data/test_export_places.py::test_boxes_come_back",
    ),
    Bug(
        "counts of compressed masks are differences too early",
        "python/csparc/data/masks.py",
        "if len(counts) > 2 else 0",
        "if len(counts) > 1 else 0",
        "data/test_instances.py::test_pycocotools_reads_what_is_written_and_writes_what_is_read",
    ),
    Bug(
        "holes of masks are filled when they are written",
        "python/csparc/data/masks.py",
        "if (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() < 0:",
        "if False:",
        "data/test_instances.py::test_masks_survive_being_written",
    ),
    Bug(
        "pictures of Objects365 are looked for by their whole names alone",
        "python/csparc/data/readers/instance_file.py",
        "if first >= len(parts) or",
        "if first > 0 or",
        "data/test_instances_alone.py::test_objects365_is_found_in_the_folders_it_unpacks_to",
    ),
    Bug(
        "classes that LVIS did not look for are absent",
        "python/csparc/data/readers/instance_file.py",
        'self._names(image.get("neg_category_ids"))',
        "self._names(list(self.categories))",
        "data/test_instances_alone.py::test_lvis_is_read_as_it_is_published",
    ),
    Bug(
        "an id of two pictures stands for the first",
        "python/csparc/data/readers/instance_file.py",
        "if before[0] != named:",
        "if before[0] is None:",
        "data/test_instances_alone.py::test_an_id_of_two_pictures_is_refused_and_a_picture_twice_is_one",
    ),
    Bug(
        "an object of Visual Genome has its first name alone",
        "python/csparc/data/readers/visual_genome_objects.py",
        "for names, _ in own for name in names))",
        "for names, _ in own for name in names[:1]))",
        "data/test_phrases.py::test_objects_of_visual_genome",
    ),
    Bug(
        "wnids are classes in the order of the file that names them",
        "python/csparc/data/readers/class_names.py",
        "order = sorted(range(len(keys)), key=keys.__getitem__)",
        "order = list(range(len(keys)))",
        "data/test_labelled.py::test_wnids_are_in_their_own_order_whatever_the_file_s",
    ),
    Bug(
        "corruptions and severities change places",
        "python/csparc/data/readers/labelled.py",
        "(part[0], part[1]) for p, part",
        "(part[1], part[0]) for p, part",
        "data/test_labelled.py::test_folders_of_imagenet_c_are_corruptions_and_severities",
    ),
    Bug(
        "quotes around a whole caption are lost in lists of captions",
        "python/csparc/data/export/pictures.py",
        "return '\"' + text.replace('\"', '\"\"') + '\"'",
        "return text",
        "data/test_export.py::test_captions_in_quotes_and_with_marks_come_back",
    ),
]


def in_child(work: Callable[[], int | None], folder: Path) -> tuple[int, str]:
    """Exit status and output of ``work`` in a child that has this process's modules already."""
    with tempfile.TemporaryFile("w+") as output:
        child = os.fork()
        if child == 0:
            status = 2
            try:
                for stream in (1, 2):
                    os.dup2(output.fileno(), stream)
                os.chdir(folder)
                sys.path.insert(0, str(folder / "python"))
                status = int(work() or 0)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        return status, output.read()


def build(folder: Path) -> None:
    def work() -> None:
        sys.argv = ["setup.py", "-q", "build_ext", "--inplace"]
        runpy.run_path("setup.py", run_name="__main__")

    status, output = in_child(work, folder)
    if status != 0:
        raise SystemExit(f"the copy does not build:\n{output}")


def is_caught(bug: Bug, folder: Path) -> bool:
    """Whether the test fails with the bug in place; the file is put back afterwards."""
    file = folder / bug.file
    text = file.read_text()
    if text.count(bug.right) != 1:
        raise SystemExit(
            f"{bug.file}: '{bug.right}' occurs {text.count(bug.right)} times, not once"
        )
    file.write_text(text.replace(bug.right, bug.wrong))
    try:
        if bug.file.startswith("csparc/"):
            build(folder)
        arguments = ["-x", "-q", "-p", "no:cacheprovider", f"tests/{bug.test}"]
        status, output = in_child(lambda: pytest.main(arguments), folder)
    finally:
        file.write_text(text)
    if status not in (0, 1):
        raise SystemExit(f"pytest did not run:\n{output}")
    return status == 1


def main() -> int:
    import numpy  # noqa: F401  once, for all children
    import setuptools  # noqa: F401

    chosen = BUGS if len(sys.argv) < 2 else [BUGS[int(sys.argv[1])]]
    missed = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        os.environ.update(
            CSPARC_DEBUG="1",  # what is compiled so often had better compile fast
            CSPARC_WERROR="",  # a bug may leave something unused
            PYTHONPATH=str(folder / "python"),
            PYTHONDONTWRITEBYTECODE="1",
        )
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, folder / name)
        build(folder)
        for bug in chosen:
            caught = is_caught(bug, folder)
            missed += not caught
            print(f"{'caught' if caught else 'MISSED'}  {bug.what} ({bug.file})", flush=True)
    print(f"caught {len(chosen) - missed} of {len(chosen)}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
