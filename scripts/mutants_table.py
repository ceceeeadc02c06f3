"""The mutants of scripts/mutants.py: each is a small change that breaks a promise of the delivery contract.

`place` names the file of the mutants that follow, and the test programs that may kill them. A mutant has a number of
its own for ever, the promise it breaks, the tests that are tried first ("progress" is progress_test.cpp of any of the
programs), what goes wrong in a few words, the text of the file around the change, with the changed part between ⟦ and
⟧, and what stands there instead.

White space in the texts does not matter. A part that ends with ';' is one or more statements, any other an expression.
A replacement that names MUTANT is used as it is: MUTANT is true while the mutant is at work. `equivalent` is the reason
why no test can kill the mutant.
"""
from dataclasses import dataclass

CORE = ("contract_tests", "unit_tests", "sqlite_tests")
IO = ("io_tests", "exhaustion_tests")
SQLITE = ("sqlite_tests", "exhaustion_tests")
POSTGRES = ("postgres_tests",)


@dataclass(frozen=True)
class Mutant:
    number: int
    file: str
    programs: tuple
    promise: str
    first: tuple
    wrong: str
    text: str
    instead: str
    races: bool
    equivalent: str


MUTANTS = []
_file, _programs = "", ()


def place(file, programs=CORE):
    global _file, _programs
    _file, _programs = file, programs


def mutant(number, promise, first, wrong, text, instead, races=False, equivalent=""):
    MUTANTS.append(Mutant(number, _file, _programs, promise, tuple(first.split()), wrong, text, instead, races,
                          equivalent))


NOTHING = ";"  # in place of statements
DONE = "Result<void>()"  # in place of a call that returns one

# --- intake, batches, ends --------------------------------------------------------------------------------------------
place("include/etl/detail/intake/batcher.hpp")
mutant(1, "G14", "progress delivery", "what an earlier run has settled is loaded again",
       "lane.start(partition, ⟦earlier⟧);", "nullptr")
mutant(2, "G13", "acknowledgement", "a chunk that the source has not completed is acknowledged",
       "if (⟦lane.chunk && !whole && !lane.chunk_complete()⟧)", "false")
mutant(3, "G16", "keys simulation", "the batch that a stop cuts off is loaded, under a key of its own",
       "const bool cut_off = ⟦aligned_ && reason != FlushReason::Source⟧;", "false")
mutant(4, "G11", "stopping", "a refused push is not counted",
       "⟦control_.tally().count_refused();⟧ lane.refused = true;", NOTHING)
mutant(5, "G13", "acknowledgement", "a chunk of which a push was refused is acknowledged",
       "control_.tally().count_refused(); lane.refused = true; if (lane.chunk) ⟦lane.chunk->lost.store(true, std::memory_order_release);⟧", NOTHING)
mutant(6, "G16", "keys", "the source cuts a keyed batch short",
       "if (⟦lane.pending() > 0 && !refusing() && !aligned_⟧) seal_and_go_on(lock, lane, FlushReason::Source",
       "lane.pending() > 0 && !refusing()")
mutant(7, "G12", "waiting", "wait_for does not flush on time", "else if (⟦due <= time⟧) seal_and_go_on", "false")
mutant(8, "G13", "acknowledgement", "a chunk that the source has completed counts as incomplete",
       "⟦lane.complete_at = lane.position_seq;⟧", NOTHING)
mutant(9, "G13", "acknowledgement", "a source that acknowledges runs with checkpoints",
       "const bool refused = ⟦acknowledge && keeps_progress_⟧;", "false")
mutant(10, "G13", "acknowledgement", "the mark of the chunk before completes a new one",
       "⟦lane.complete_at.reset();⟧ lane.chunk.swap(chunk);", NOTHING)
mutant(12, "G2", "memory", "the memory budget is never charged",
       "⟦environment_.memory->charge(batch->bytes);⟧", NOTHING)
mutant(13, "G13", "acknowledgement", "the chunk of a lost batch is acknowledged",
       "if (⟦ledger.items.abandoned > 0 || ledger.results.in_doubt > 0⟧) for (const ChunkRef&", "false")
mutant(14, "G2", "memory", "memory is never given back",
       "if (environment_.memory) ⟦environment_.memory->release(std::exchange(batch->bytes, 0));⟧", NOTHING)
mutant(15, "G2", "memory flushing", "a source that waits for room is not told of it",
       "if (waiting_for_one_ > 0 || (⟦waiting_for_room_ > 0 && in_flight_ <= capacity_ / 2⟧)) Base::notify();", "false")
mutant(24, "G12", "flushing", "a batch is cut one item late",
       "if (⟦lane.count.load(std::memory_order_relaxed) >= lane.most⟧) return FlushReason::Size;",
       "lane.count.load(std::memory_order_relaxed) > lane.most")
mutant(25, "G12", "flushing", "a batch of exactly batch_bytes is not cut",
       "if (weigh_ && ⟦lane.open_bytes >= batch_bytes_⟧) return FlushReason::Bytes;", "lane.open_bytes > batch_bytes_")
mutant(26, "G2", "memory", "one batch more than capacity is held",
       "if (!refusing() && ⟦backend_ != nullptr && !has_room(capacity_ - 1)⟧)", "backend_ != nullptr && !has_room(capacity_)")
mutant(27, "G2", "memory", "with a capacity of 1 nothing may be sealed",
       "bool has_room(std::uint64_t in_flight) noexcept { if (⟦in_flight_ > in_flight⟧) return false;", "in_flight_ >= in_flight")
mutant(28, "G2", "memory", "a run whose budget is used up by others never seals a batch",
       "if (⟦!environment_.memory || in_flight_ == 0⟧) return true;",
       "!environment_.memory")
mutant(29, "G12", "flushing", "no timer is armed for the first item of a batch",
       "lane.opened = time; ⟦arm_timer(after(time, options_.timeout));⟧", NOTHING)
mutant(32, "G16", "waiting", "an idle source saves nothing",
       "if (called) Base::outside(lock, [&] { ⟦processor_->on_time(time);⟧ });", NOTHING)
mutant(34, "G16", "keys simulation", "a drain flushes a keyed batch before it is full",
       "if (aligned_) ⟦continue;⟧", NOTHING)
mutant(36, "G10", "stopping", "a push that is blocked is not woken by a stop",
       "if (source_ != nullptr) source_->refuse(open); ⟦Base::notify();⟧", NOTHING)
mutant(37, "G2", "failures stopping", "batches that are queued at a failure are never settled",
       "while (Batch* batch = dropped.pop()) ⟦abandon(batch);⟧", NOTHING)
mutant(38, "G2", "order stopping", "batches that are parked at a failure are never settled",
       "⟦processor_->abandon_parked();⟧", NOTHING)

place("include/etl/detail/run/run_control.hpp")
mutant(11, "G4", "failures", "pushes go on after a failure",
       "bool refusing() const noexcept { return ⟦closed_ || stop_requested_ || tally_.failed⟧; }",
       "closed_ || stop_requested_")
mutant(16, "G7", "attempts", "a reject drawn by an attempt that did not count stays drawn",
       "⟦tally_.rejects -= count;⟧", NOTHING)
mutant(17, "G4", "failures waiting", "a failure ends nothing", "tally_.failed = true; ⟦die(lock);⟧ }", NOTHING)
mutant(18, "G10", "stopping", "a drained run is Completed", "tally_.cancelled = ⟦!intake_ended_ && !sources_ended_⟧;", "false")
mutant(19, "G10", "waiting stopping", "a stop after the end of the source makes the run Cancelled",
       "tally_.cancelled = ⟦!intake_ended_ && !sources_ended_⟧;", "true")
mutant(345, "G10", "stopping", "a drain during the last batch of a fused run is Cancelled", "⟦sources_ended_ = true;⟧",
       NOTHING)
mutant(20, "G10", "stopping waiting", "an abandon does not stop the token that load holds",
       "die(lock); } scheduler_.outside(lock, [this] { ⟦user_stop_.request_stop();⟧ });", NOTHING)
mutant(21, "G9", "waiting stopping", "the deadline does not stop the token that load holds",
       "die(lock); scheduler_.outside(lock, [this] { ⟦user_stop_.request_stop();⟧ });", NOTHING)
mutant(22, "G9", "waiting", "the end of a run does not look at the deadline",
       "else if (⟦!abandoned_ && now() >= deadline_⟧) pass_deadline(lock);", "false")
mutant(23, "G7", "outcomes", "the reject ratio is not checked at the end",
       "if (⟦tally_.failed || tally_.rejects == 0⟧) return std::move(tally_);", "true")
mutant(30, "G9", "stopping waiting", "the timer does not look at the deadline",
       "if (⟦!abandoned_ && time >= deadline_⟧) return pass_deadline(lock), std::nullopt;", "false")
mutant(31, "G16", "waiting", "the timer that saves progress is forgotten when another one is armed",
       "⟦next = std::min(next, called_for_);⟧", NOTHING)
mutant(33, "G9", "waiting", "no timer is armed for the deadline",
       "if (⟦scheduler_.in_flight() > 0 || !closed_⟧) run_.arm_timer(deadline_);", "false")
mutant(35, "G10", "stopping", "a source that waits on its stop token is not woken",
       "scheduler_.outside(lock, [this] { ⟦intake_stop_.request_stop();⟧ });", NOTHING)
mutant(39, "G4", "waiting", "a load that waits goes on waiting after a failure elsewhere",
       "⟦dead_stop_.request_stop();⟧", NOTHING)
mutant(40, "G9", "waiting", "the deadline in fused mode is Cancelled, not DrainTimeout",
       "tally_.deadline_passed = ⟦scheduler_.in_flight() > 0 || run_.has_open_items()⟧;",
       "scheduler_.in_flight() > 0")
mutant(106, "G10", "retries waiting", "a back-off that an abandon ends is a failure of its own",
       "if (⟦dead() && record.error.error_class == ErrorClass::Transient⟧)", "false")
mutant(146, "G10", "waiting stopping", "a stop that ends the attempts of a source is a failure",
       "if (⟦record.error.error_class == ErrorClass::Transient && stop_requested()⟧)", "false")

place("include/etl/detail/dispatch/scheduler.hpp")
mutant(41, "G2", "concurrency", "one worker takes everything",
       "if (⟦queued_ > 1⟧ || offered_ != nullptr) wake_worker(lock); TimePoint time = now();", "false")
mutant(42, "G4", "concurrency", "a task that could not be posted counts as on its way for ever",
       "⟦--unstarted_; idle_tasks_.push_back(task);⟧ post_failed", NOTHING)
mutant(43, "G9", "waiting", "a run waits for ever for an executor that runs nothing",
       "if (⟦time >= patience⟧) return help(lock);", "false")
mutant(44, "G3", "failures", "the end of a run is not told that the last batch has ended",
       "tokens_.push_back(slot); ⟦notify_if_ended();⟧", NOTHING)
mutant(45, "G2", "concurrency", "a batch may be queued without waking a worker",
       "else ⟦wake_worker(lock);⟧ tell_helpers(); }", NOTHING)

place("include/etl/detail/intake/owned_lane.hpp")
mutant(46, "G14", "delivery progress", "items below the watermark are loaded again",
       "if (earlier != nullptr) ⟦replay.add({0, earlier->watermark});⟧", NOTHING)
mutant(47, "G14", "delivery progress", "items after a resume are counted from the watermark, not from the mark",
       "next_seq = position_seq = ⟦resume->position_seq⟧;", "resume->watermark")
mutant(48, "G13", "acknowledgement", "a chunk whose items fill several batches is acknowledged after the first",
       "if (chunk) ⟦batch.chunks.push_back(chunk);⟧", NOTHING)
mutant(49, "G14", "delivery", "a batch reaches over the end of what was settled before",
       "std::min(next_seq + to_multiple, ⟦replay.boundary_after(next_seq)⟧);", "next_seq + batch_size")
mutant(50, "G16", "keys simulation", "keyed batches of a resumed run end elsewhere",
       "const std::uint64_t to_multiple = ⟦aligned ? batch_size - next_seq % batch_size : batch_size⟧;", "batch_size")
mutant(299, "G16", "keys", "the batch of a partition that has grown reaches over its former end",
       "if (⟦aligned && resume != nullptr⟧) { const auto earlier_end", "false")

place("include/etl/detail/intake/lane.hpp")
mutant(51, "G12", "flushing", "the first item of a batch is not timed",
       "if (⟦n + 1 < lane.limit.load(std::memory_order_relaxed)⟧) [[likely]] { Slots<E>::put",
       "n < lane.limit.load(std::memory_order_relaxed)")

place("include/etl/detail/intake/shared_intake.hpp")
mutant(52, "G2", "bucket", "a bucket takes one item too many", "if (⟦held >= bound_⟧) [[unlikely]]",
       "held > bound_")
mutant(53, "G12", "flushing bucket", "the first item of a bucket's batch is not timed",
       "if (⟦open == 1 || open >= batch_size_⟧) [[unlikely]]", "open >= batch_size_")

place("include/etl/impl/shared_intake.ipp")
mutant(54, "G11", "bucket stopping", "a refused push into a bucket is not counted",
       "if (!batcher_.refusing()) return true; ⟦batcher_.count_refused();⟧", NOTHING)
mutant(55, "G11", "bucket stopping", "a push after close says yes, and the item is lost",
       "⟦held_.fetch_or(refused, std::memory_order_acq_rel);⟧", NOTHING)
mutant(56, "G12", "flushing bucket", "a full batch of a bucket waits for one more item",
       "while (⟦open_items() >= batch_size_⟧ && seal(batch_size_, FlushReason::Size", "open_items() > batch_size_")
mutant(57, "G2", "bucket", "a very large capacity overflows",
       "return ⟦batches > most / options.batch_size ? most : batches * options.batch_size⟧;",
       "batches * options.batch_size")

place("include/etl/detail/intake/weighed_intake.hpp")
mutant(58, "G12", "bucket", "a bucket does not honour batch_bytes",
       "return ⟦count_ >= batch_size_ || bytes_ >= batch_bytes_⟧;", "count_ >= batch_size_")
mutant(59, "G2", "bucket", "a weighed bucket is never full",
       "if (⟦!batcher_.has_room(capacity_ - 1)⟧) return batcher_.refusing() ?", "false")

# --- transform, load, rejects -----------------------------------------------------------------------------------------
place("include/etl/detail/load/stage.hpp")
mutant(60, "G14", "saving", "items that an earlier run has settled are transformed again",
       "prepare(slot, *batch) && (⟦batch->skipped⟧ || transform(slot, work));", "false")
mutant(310, "G10", "outcomes", "on_batch is called on the thread that asks for an abandon",
       "finish_abandoned(*work, ⟦Tell::AtTheEnd⟧);", "Tell::Now")
mutant(61, "G14", "delivery progress", "items that an earlier run has settled are loaded again",
       "if (⟦ready && work.batch->skipped⟧) return settle(work);", "false")
mutant(62, "G10", "stopping", "a batch is loaded after an abandon", "if (!ready || ⟦control_.dead()⟧) return", "false")
mutant(63, "G18", "order_by_key", "items of one key go to several lanes",
       "parts[⟦hashes[i] % lanes_⟧]", "i % lanes_")
mutant(64, "G18", "order_by_key", "a load that waits for its next attempt keeps others from loading",
       "Slot& slot = slots_[index]; ⟦gate_.pause();⟧", NOTHING)
mutant(65, "G2", "failures stopping", "results of an abandoned batch count as committed", "⟦work.lose();⟧ if (options_",
       NOTHING)
mutant(66, "G7", "dead_letters", "an item counts as rejected whose letter was not written",
       "if (options_->errors.dead_letters || progress_ != nullptr) ⟦work.lose_rejections();⟧", NOTHING)
mutant(67, "G14", "order_by_key", "a batch counts as settled of which a part was lost",
       "if (⟦!batch->skipped && ledger.items.abandoned == 0 && ledger.results.in_doubt == 0⟧)", "!batch->skipped")
mutant(68, "G18", "order", "source order is not kept", "if (⟦options.order != Order::None⟧) return options.mode",
       "false")
mutant(69, "G2", "order_by_key concurrency", "max_concurrent_loads is not honoured",
       "gate_(traits_.concurrent ? ⟦options.max_concurrent_loads.value_or(slots)⟧ : 1,", "slots")
mutant(71, "G4", "attempts", "what bytes() throws is forgotten",
       "if (!error) return; ⟦control_.fail({.error = std::move(*error), .stage = Stage::Extract});⟧", NOTHING)

place("include/etl/detail/load/typed_stage.hpp")
mutant(70, "G2", "outcomes", "an item that expands counts as one result",
       "if (⟦out.count() != work.mark + 1⟧) [[unlikely]] work.note_count", "out.count() < work.mark + 1")

place("include/etl/detail/load/loading.hpp")
mutant(72, "G9", "waiting", "a drain ends every retry at once",
       "waiter_(⟦control.dead_stop()⟧, std::move(executor), control, control.intake_stop())", "control.intake_stop()")
mutant(73, "G4", "waiting", "a failure elsewhere does not end the waits of a load",
       "waiter_(⟦control.dead_stop()⟧, std::move(executor), control, control.intake_stop())", "control.user_stop()")
mutant(74, "G16", "waiting", "nobody saves what was settled last while the source waits",
       "progress_->settled(items_of(batch), now); if (const auto due = progress_->reminder()) ⟦control_.call_at(*due);⟧", NOTHING)
mutant(75, "G17", "delivery", "a dry run loads", "if (⟦options_.delivery.dry_run⟧) { work.produced = 0;", "false")
mutant(76, "G2", "attempts", "results that no call was made for count as committed",
       "if (!loaded && begun < results.size) ⟦work.abandon_from(begun);⟧", NOTHING)
mutant(77, "G7", "dead_letters", "an item of a failed batch counts as rejected without a letter",
       "if (!loaded && options_.errors.dead_letters) ⟦work.lose_rejections();⟧", NOTHING)
mutant(78, "G16", "dead_letters pitfalls", "progress is saved before the dead letters are written",
       "⟦if (!keep_letters(work)) return work.lose_rejections(); if (!work.split) settled(*work.batch, now);⟧",
       "if (!work.split) settled(*work.batch, now); if (!keep_letters(work)) return work.lose_rejections();")
mutant(79, "G7", "dead_letters pitfalls", "a failing store of dead letters does not stop the run",
       "⟦control_.fail_unless_ending(place(*work.batch, Stage::DeadLetter, std::move(kept.error())));⟧", NOTHING)
mutant(311, "G10", "waiting", "a stop that ends the attempts to write dead letters is a failure",
       "⟦control_.fail_unless_ending(place(*work.batch, Stage::DeadLetter, std::move(kept.error())));⟧",
       "control_.fail(place(*work.batch, Stage::DeadLetter, std::move(kept.error())));")
mutant(312, "G5", "waiting", "max_elapsed counts from the first call of a batch",
       "load_part(worker, work, part, ⟦part.first == 0 ? now : waiter_.now()⟧)", "now")
mutant(313, "G5", "waiting", "the retry-after of all results but the first is ignored",
       "⟦error.retry_after = longest;⟧ return error;", NOTHING)
mutant(314, "G16", "keys", "the keys of a replay depend on the other letters",
       "if (⟦progress_ != nullptr && progress_->names_items()⟧)", "false")
mutant(80, "G15", "saving", "the letters of a batch without results are never written",
       "const bool writes = ⟦results.size > 0 || !work.rejections.empty()⟧;", "results.size > 0")
mutant(81, "G15", "delivery store_run", "the run does not follow what its transactions have settled",
       "⟦progress_->committed(part, now);⟧", NOTHING)
mutant(82, "G2", "attempts", "results whose commit is in doubt count as abandoned",
       "work.set(0, work.produced, ⟦in_doubt ? Fate::InDoubt : Fate::Abandoned⟧);", "Fate::Abandoned")
mutant(83, "G15", "attempts retries", "a commit in doubt is repeated although it has happened", "if (⟦*settled⟧) return {};",
       "false")
mutant(84, "G6", "attempts delivery", "rejects of an earlier attempt at a transaction stay",
       "for (;;) { ⟦work.forget_load();⟧", NOTHING)
mutant(85, "G15", "delivery", "dead letters are not part of the transaction",
       "part.ranges, part.moved, ⟦letters⟧, {}, run_}", "std::vector<DeadLetter>()")
mutant(86, "G15", "attempts retries", "after a commit in doubt nobody asks whether it has happened",
       "⟦in_doubt = true;⟧ committed.error().error_class", NOTHING)
mutant(87, "G15", "retries delivery attempts", "a transaction that failed is left open",
       "~Rollback() { ⟦session.rollback();⟧ }", NOTHING)
mutant(88, "G6", "delivery", "a batch refused as a whole is isolated without a savepoint",
       "if (⟦!careful⟧) return again = true, false;", "false")
mutant(89, "G6", "delivery", "rows of a refused call stay in the transaction",
       "if (auto undone = ⟦session.rollback_to_savepoint()⟧; !undone)", DONE)
mutant(90, "G2", "outcomes", "one call of load gets all results of a batch that expands",
       "std::min(⟦most⟧, results.size - first)", "std::size_t{results.size}")
mutant(91, "G6", "retries attempts", "single results that load rejects count as committed",
       "⟦reject(work, current, context->rejects());⟧ if (context->retries().empty()) return true;", NOTHING)
mutant(92, "G5", "retries waiting", "the next attempt does not wait",
       "const bool more = ⟦delay && patience(work).wait_for(*delay)⟧;", "delay.has_value()")
mutant(93, "G7", "attempts", "attempts at loading are not counted",
       "BatchContext& context, bool& in_doubt) noexcept { ⟦++work.attempts;⟧", NOTHING)
mutant(94, "G2", "failures retries", "results of an unknown outcome count as abandoned",
       "} else if (error->code == Errc::OutcomeUnknown) { ⟦in_doubt = true;⟧", NOTHING)
mutant(95, "G5", "retries", "an unknown outcome is tried again although the load is not idempotent",
       "error->error_class = ⟦traits_.with == LoadWith::Key || options_.retry_unknown_outcome⟧ ?", "true")
mutant(96, "G2", "attempts", "what was not tried any more counts as committed",
       "⟦set_all(work, back, in_doubt ? Fate::InDoubt : Fate::Abandoned);⟧ return false;", NOTHING)
mutant(97, "G7", "retries waiting", "the circuit breaker is not asked",
       "return ⟦options_.circuit_breaker ? options_.circuit_breaker->call(load, waiter_) : load()⟧;", "load()")
mutant(98, "G5", "attempts", "the rate limit is not asked",
       "options_.rate_limit->acquire(⟦results⟧, work.attempts == 1 ? work.bytes : 0, waiter_)", "std::size_t{0}")
mutant(99, "G16", "progress", "keys do not say of which data",
       "hash.add(progress_->pipeline()).add(⟦progress_->fingerprint()⟧)", "std::string()")
mutant(100, "G16", "progress", "keys do not say of which partition",
       ".add(⟦progress_->partition_id(partition)⟧);", "std::string()")
mutant(101, "G16", "keys", "keys do not say of which pipeline", "hash.add(⟦progress_->pipeline()⟧).add(progress_->fingerprint",
       "std::string()")
mutant(102, "G16", "progress simulation", "keys do not say of which items", "hash.add(⟦work.batch->first_seq⟧)",
       "std::uint64_t{0}")
mutant(302, "G16", "keys", "the results of a repeated call have another key",
       "const bool in_a_row = ⟦part.where.empty() || part.where.back() - part.where.front() == part.size - 1⟧;",
       "part.where.empty()")
mutant(303, "G16", "keys", "results of other items have the same key", "⟦work.add_counts(hash);⟧", NOTHING)
mutant(103, "G16", "keys", "half of a batch has the key of the whole",
       "return hash.add(std::uint64_t{⟦part.size⟧}).key();", "0")
mutant(104, "G6", "retries", "bad results are isolated one after the other, in as many calls",
       "const std::uint32_t half = ⟦part.size / 2⟧;", "1")
mutant(105, "G5", "failures retries attempts", "results that may have been loaded count as abandoned",
       "set_all(work, part, ⟦in_doubt ? Fate::InDoubt : Fate::Abandoned⟧);", "Fate::Abandoned")
mutant(107, "G14", "delivery progress", "a batch settles one item too many",
       "{batch.first_seq, ⟦batch.first_seq + batch.size()⟧}", "batch.first_seq + batch.size() + 1")
mutant(108, "G6", "retries attempts types", "results that are taken again do not go back to their places",
       "⟦put_back();⟧ taken_.swap(taken);", NOTHING)
mutant(109, "G6", "attempts", "a result that load asks for twice is loaded twice",
       "⟦wanted.erase(std::ranges::unique(wanted).begin(), wanted.end());⟧", NOTHING)

place("include/etl/detail/load/rejecter.hpp")
mutant(110, "G4", "failures", "an unclassified error rejects its item",
       "return ⟦options_.errors.unclassified == Unclassified::Reject⟧;", "true")
mutant(111, "G2", "dead_letters", "a reject that was told is lost with its batch", "⟦++work.told;⟧", NOTHING)
mutant(112, "G7", "attempts delivery", "each attempt at a transaction draws its rejects on the budget again",
       "if (⟦std::binary_search(work.drawn.begin(), work.drawn.begin() + static_cast<std::ptrdiff_t>(before), "
       "rejection.item)⟧)", "false")
mutant(113, "G7", "dead_letters", "a letter does not tell the causes of its error",
       "⟦letter.errors.push_back(own_message(*cause));⟧", NOTHING)
mutant(114, "G7", "progress", "ids of letters do not say of which data",
       "hash.add(environment_.name).add(⟦fingerprint⟧)", "std::string_view()")
mutant(115, "G7", "dead_letters", "ids of letters do not say of which partition", ".add(⟦letter.partition_id⟧)",
       "std::string()")
mutant(116, "G7", "dead_letters", "ids of letters do not say of which item",
       ".add(letter.partition_id).add(⟦letter.seq⟧);", "std::uint64_t{0}")
mutant(117, "G7", "dead_letters", "ids of letters do not say of which pipeline", "hash.add(⟦environment_.name⟧)",
       "std::string()")
mutant(118, "G7", "progress", "ids of letters do not say of which payload",
       "if (letter.payload) ⟦hash.add(*letter.payload);⟧", NOTHING)
mutant(119, "G7", "progress", "where nothing tells the data of two runs apart their letters have the same ids",
       "if (⟦(!calls_.traits().keeps_all && fingerprint.empty())⟧ || std::ranges::any_of(", "false")
mutant(316, "G7", "dead_letters", "equal messages of an acknowledging source share a letter",
       "|| ⟦std::ranges::any_of(batch.chunks, acknowledges)⟧) hash.add(run);", "false")

place("include/etl/detail/load/work.hpp")
mutant(123, "G2", "attempts", "the first result that was not loaded counts as committed",
       "{ set(⟦from⟧, produced, Fate::Abandoned); }", "from + 1")

place("include/etl/impl/work.ipp")
mutant(120, "G7", "outcomes attempts", "an item with several rejected results is rejected several times",
       "bool told_before = ⟦std::any_of(fates_.begin() + first, fates_.begin() + end, [](Fate f) { return f == "
       "Fate::Rejected; })⟧;", "false")
mutant(121, "G2", "outcomes", "a rejected item counts as filtered too",
       "⟦ledger.items.filtered -= ledger.items.rejected;⟧", NOTHING)
mutant(122, "G2", "outcomes", "an item counts by the best that has happened to its results",
       "switch (⟦*std::max_element(fates_.begin() + first, fates_.begin() + end)⟧)",
       "*std::min_element(fates_.begin() + first, fates_.begin() + end)")
mutant(124, "G14", "order_by_key", "a batch is settled before the last of its parts", "return ⟦--left_ == 0⟧ ?",
       "--left_ == 1")

place("include/etl/detail/load/load_gate.hpp")
mutant(125, "G18", "order", "a batch does not wait for its turn", "if (⟦ordered_ && !is_next(*work)⟧)", "false")
mutant(126, "G2", "concurrency", "any number of loads run at once", "if (⟦active_ == limit_⟧) { make_ready", "false")
mutant(127, "G18", "order", "nobody's turn comes after the first",
       "if (ordered_) ⟦release_next(lanes_[done.partition()]);⟧", NOTHING)
mutant(128, "G10", "order stopping", "batches are parked for ever after a failure", "⟦shut_ = true;⟧ for", NOTHING)
mutant(129, "G2", "order_by_key", "a load that has waited loads beside as many others as may",
       "if (⟦active_ >= limit_ && !always && !shut_⟧) return false;", "false")
mutant(130, "G18", "order", "parked batches are in the wrong order",
       "while (*at != nullptr && ⟦(*at)->ordinal() < work->ordinal()⟧)", "(*at)->ordinal() > work->ordinal()")

# --- the course of a run ----------------------------------------------------------------------------------------------
place("include/etl/detail/run/runner.hpp")
mutant(131, "G16", "keys", "the timeout cuts keyed batches", "⟦options.timeout = Options::never;⟧", NOTHING)
mutant(132, "G16", "keys", "batch_bytes cuts keyed batches", "⟦options.batch_bytes.reset();⟧", NOTHING)
mutant(133, "G14", "progress", "a pipeline without fingerprint may have checkpoints",
       "if (⟦!traits_.has_fingerprint⟧) return invalid", "false")
mutant(134, "G15", "progress", "a run with a store may have checkpoints elsewhere",
       "if (⟦store_ != nullptr && (options_.delivery.checkpoints || options_.errors.dead_letters)⟧)", "false")
mutant(135, "G10", "stopping", "a run that is stopped before it begins calls pre_process",
       "prepared = ⟦!batcher_->control().intake_refused() && pre_process()⟧;", "pre_process()")
mutant(136, "G8", "failures", "post_process runs although pre_process has failed",
       "⟦end_progress(); if (prepared) post_process();⟧", "end_progress(); post_process();")
mutant(137, "G8", "progress", "post_process hears an outcome that the last save then changes",
       "⟦end_progress(); if (prepared) post_process();⟧", "if (prepared) post_process(); end_progress();")
mutant(138, "G14", "delivery", "a run that failed saves the source's end",
       "if (⟦report_.ok()⟧) mark_finished();", "true")
mutant(139, "G14", "progress", "a run that has not begun to extract saves an empty checkpoint",
       "if (⟦!progress_started_⟧) return; progress_->wait_by", "!progress_.has_value()")
mutant(140, "G14", "delivery", "the source's end is saved before post_process has succeeded",
       "return options_.delivery.incremental && ⟦!traits_.has_post_process⟧;", "true")
mutant(307, "G14", "saving", "one save says that everything is settled and that the run is finished",
       "return ⟦options_.delivery.incremental⟧ && !traits_.has_post_process;", "true")
mutant(305, "G16", "keys", "the end of each partition is saved alone",
       "else if (last || options_.mode == Mode::Fused || ⟦tails_->full()⟧) flush_tails();", "true")
mutant(141, "G16", "waiting", "a run whose last save fails is Completed",
       "if (report_.outcome != Outcome::Inconsistent) ⟦report_.outcome = Outcome::Failed;⟧",
       NOTHING)
mutant(142, "G8", "failures", "a run whose post_process fails is Completed",
       "if (decides) ⟦report_.outcome = Outcome::Failed;⟧", NOTHING)
mutant(143, "G14", "delivery progress", "a mark after the last item is forgotten",
       "⟦progress_->ended(partition, *lane.position, lane.position_seq);⟧", NOTHING)
mutant(144, "G13", "acknowledgement", "the last chunk of a source that was stopped counts as complete",
       "const bool whole = ⟦!error && !batcher_->control().intake_refused()⟧;", "!error")
mutant(145, "G10", "stopping", "partitions are begun after a stop",
       "if (⟦partitions.at_end() || batcher_->control().intake_refused()⟧) return;", "partitions.at_end()")
mutant(347, "G7", "replay", "a replay asks for the fingerprint of the source, which may be gone",
       "if (⟦!source_⟧) beginning.fingerprint", "true")
mutant(147, "G17", "delivery", "a dry run changes the checkpoint", "if (delivers && ⟦!options_.delivery.dry_run⟧)",
       "true")

place("include/etl/detail/run/tails.hpp")
mutant(304, "G16", "keys", "the last batch of a partition does not wait for its end to be saved",
       "batcher_.control().dead() || ⟦progress_.end_saved(tail.partition, tail.end)⟧;", "true")

place("include/etl/detail/progress/checkpointing.hpp")
mutant(148, "G17", "delivery", "a restart goes on where the earlier run was",
       "if (⟦options_.delivery.restart⟧) {", "false")
mutant(149, "G17", "delivery", "a run whose source does not fit takes the progress over",
       "⟦if (auto misfit = misfit_of(**found)) return misfit;⟧ found = claim();", NOTHING)
mutant(150, "G15", "delivery", "a run does not take the progress over from an earlier one that is still at work",
       "⟦found = claim();⟧", NOTHING)
mutant(151, "G17", "delivery", "a finished run is resumed",
       "return ⟦!earlier.finished || options_.delivery.incremental⟧;", "true")
mutant(152, "G14", "delivery progress", "an incremental run begins at the start",
       "return ⟦!earlier.finished || options_.delivery.incremental⟧;", "!earlier.finished")
mutant(153, "G17", "delivery", "progress of another source is taken for this one's",
       "if (⟦earlier.fingerprint != begin_.fingerprint⟧)", "false")
mutant(154, "G16", "progress", "another batch size than that of the keys is accepted",
       "if (⟦keyed_ && earlier.batch_size != 0 && earlier.batch_size != begin_.batch_size⟧)", "false")
mutant(155, "G17", "progress", "a partition whose data has changed is resumed",
       "now != nullptr && ⟦now->fingerprint != p.fingerprint⟧)", "false")
mutant(156, "G14", "progress", "two partitions may have one id",
       "if (⟦!index_.emplace(names_[i].id, i).second⟧)", "(static_cast<void>(index_.emplace(names_[i].id, i)), false)")
mutant(157, "G14", "progress", "progress belongs to a partition's place, not to its id",
       "⟦numbers_[mine->second] = p.partition;⟧", NOTHING)
mutant(158, "G14", "progress", "a partition that is gone is not named", "⟦missing_.push_back(p.id);⟧", NOTHING)
mutant(159, "G14", "progress", "a new partition gets the number of another one",
       "found.partitions.empty() ? 0 : ⟦found.partitions.back().partition + 1⟧;", "found.partitions.back().partition")
mutant(160, "G16", "waiting delivery", "progress is saved at each batch, whatever save_every says",
       "if (⟦!unsaved_ || now < next_save_ || saving_⟧) return std::nullopt;", "!unsaved_ || saving_")
mutant(161, "G14", "saving", "two saves run at the same time, and the older one may come last",
       "if (⟦!unsaved_ || now < next_save_ || saving_⟧) return std::nullopt;", "!unsaved_ || now < next_save_")
mutant(162, "G15", "progress delivery", "what filtered batches have settled is forgotten",
       "⟦std::move(riding_.begin(), riding_.end(), std::back_inserter(part.items));⟧", NOTHING)
mutant(163, "G15", "saving", "transactions do not say how far the source has got",
       "part.moved = ⟦tracker_.take_moved()⟧;", "std::vector<PartitionProgress>()")
mutant(164, "G15", "saving progress", "a source of which everything is filtered records nothing",
       "if (⟦now - last_commit_.value_or(now) > options_.delivery.save_every⟧) return false;", "false")
mutant(165, "G15", "saving", "filtered batches after the last commit are not saved at the end",
       "if (store_ == nullptr || (transactional_ && !all)) return std::nullopt; ⟦settle_riding();⟧", NOTHING)
mutant(166, "G15", "attempts", "a failed run overwrites what its transactions have recorded",
       "if (⟦store_ == nullptr || (transactional_ && !all)⟧) return std::nullopt;", "store_ == nullptr")
mutant(167, "G14", "delivery progress", "each save says that the source is finished",
       ".finished = ⟦finished⟧, .run = run_}", "true")
mutant(300, "G16", "keys", "the last batch of a partition is loaded before its end is saved",
       "saving_ = true; lock.unlock(); return ⟦save(false, now)⟧;", "saving_ = false, std::optional<Error>()")

place("include/etl/detail/progress/progress_tracker.hpp")
mutant(168, "G14", "delivery simulation", "the watermark is set to the last item settled, whatever is missing before it",
       "const std::uint64_t watermark = ⟦p.gaps.end_of(p.watermark)⟧;", "std::max(p.watermark, settled.items.end)")
mutant(169, "G14", "delivery simulation", "the position runs ahead of the watermark",
       "const auto ahead = ⟦marks.upper_bound(progress.watermark)⟧;", "marks.end()")
mutant(170, "G14", "delivery progress", "a mark that the watermark has just reached is not passed",
       "const auto ahead = ⟦marks.upper_bound(progress.watermark)⟧;", "marks.lower_bound(progress.watermark)")
mutant(171, "G14", "saving", "a transaction tells of a partition's progress once only",
       "⟦partitions_[number].moved = false;⟧", NOTHING)
mutant(301, "G16", "keys", "ends that are settled are kept for ever",
       "⟦p.ends.erase(p.ends.begin(), std::ranges::upper_bound(p.ends, watermark));⟧", NOTHING)
mutant(172, "G14", "progress_tracker", "of many marks the last is dropped", "bool odd = ⟦true⟧;", "false")

place("include/etl/detail/run/outcome.hpp")
mutant(173, "G2", "outcomes manager report", "results that do not balance are Completed",
       "if (⟦report.items.balanced() && report.results.balanced()⟧) return;", "report.items.balanced()")
mutant(174, "G2", "outcomes manager report", "items that do not balance are Completed",
       "if (⟦report.items.balanced() && report.results.balanced()⟧) return;", "report.results.balanced()")
mutant(175, "G9", "waiting", "a deadline that took nothing from the run is a DrainTimeout",
       "} else if (⟦totals.deadline_passed && report.items.abandoned > 0⟧) {", "totals.deadline_passed")
mutant(176, "G1", "outcomes bucket stopping", "a run that has lost items is Completed",
       "} else if (⟦totals.cancelled || report.items.abandoned > 0⟧) {", "totals.cancelled")

place("include/etl/detail/intake/tally.hpp")
mutant(177, "G7", "outcomes dead_letters", "the last reject that is allowed stops the run",
       "if (⟦++rejects > most⟧)", "++rejects >= most")
mutant(178, "G7", "outcomes", "the ratio is checked from item 1001 on",
       "if (⟦ledger.items.extracted - ledger.items.skipped < enough⟧)",
       "ledger.items.extracted - ledger.items.skipped <= enough")
mutant(179, "G7", "saving", "items of an earlier run dilute the reject ratio",
       "if (⟦ledger.items.extracted - ledger.items.skipped < enough⟧)", "ledger.items.extracted < enough")
mutant(308, "G7", "saving", "the ratio of a small part of a source fails its run",
       "std::max<std::uint64_t>(⟦part ? enough : 1⟧, extracted)", "1")
mutant(309, "G7", "saving", "a small source may have as many rejects as a large one",
       "std::max<std::uint64_t>(⟦part ? enough : 1⟧, extracted)", "enough")
mutant(180, "G7", "outcomes", "exactly the ratio that is allowed stops the run",
       "if (⟦static_cast<double>(rejects) / base <= *policy.max_reject_ratio⟧)",
       "static_cast<double>(rejects) / base < *policy.max_reject_ratio")

place("include/etl/impl/report.ipp")
mutant(181, "G4", "report", "the error that decided comes last",
       "const auto place = ⟦decides⟧ ? errors.begin()", "false")
mutant(315, "G1", "report", "an error of the run comes after its rejected items",
       "⟦record.rejected⟧ ? errors.end()", "true")

# --- delivery ---------------------------------------------------------------------------------------------------------
place("include/etl/impl/seq_ranges.ipp")
mutant(182, "G14", "seq_ranges", "ranges that touch stay two", "to != ranges_.end() && ⟦to->first <= range.end⟧;",
       "to->first < range.end")
mutant(183, "G14", "seq_ranges", "the first item of a range is not in it",
       "return ⟦at != ranges_.end() && at->first <= seq⟧;", "at != ranges_.end() && at->first < seq")
mutant(184, "G14", "seq_ranges", "empty ranges are kept", "return ⟦r.end > seq⟧; }));", "r.end >= seq")
mutant(185, "G14", "seq_ranges", "a range of one item is not added", "if (⟦range.first >= range.end⟧) return;",
       "range.first + 1 >= range.end")

place("include/etl/impl/checkpoint.ipp")
mutant(186, "G14", "checkpoint", "a partition without progress gets that of another one",
       "return ⟦at != partitions.end() && at->partition == partition⟧ ?", "at != partitions.end()")

place("include/etl/delivery/idempotency_key.hpp")
mutant(187, "G16", "keys", "the texts of a key run into one another", "return ⟦add(std::uint64_t{text.size()})⟧;",
       "*this")

place("include/etl/impl/replay.ipp")
mutant(188, "G7", "replay", "letters that were not loaded again are purged",
       "settled.add({0, ⟦progress->watermark⟧});", "parts_->letters.size()")
mutant(189, "G7", "replay", "a letter that was loaded after one that failed stays",
       "SeqRanges settled = ⟦progress->gaps⟧;", "SeqRanges()")
mutant(190, "G15", "replay store", "a letter that is rejected again is purged by the same transaction",
       "if (⟦!rejected.contains(seq)⟧) done.push_back", "true")
mutant(191, "G7", "replay", "a replay without a name loads the letters of every pipeline",
       "if (⟦options.name.empty()⟧) return failure", "false")
mutant(192, "G17", "replay", "a dry replay loads and purges", ".dry_run = ⟦options.delivery.dry_run⟧}", "false")
mutant(193, "G7", "replay", "attempts of a replay are not counted", "⟦++old.attempts;⟧", NOTHING)
mutant(348, "G15", "replay", "letters are listed while a killed replay still commits",
       "if (⟦progress != nullptr⟧ && !options.delivery.dry_run)", "false")
mutant(349, "G17", "replay", "a dry replay takes the progress of a replay that is at work",
       "if (progress != nullptr && ⟦!options.delivery.dry_run⟧)", "true")

# --- policies ---------------------------------------------------------------------------------------------------------
place("include/etl/impl/circuit_breaker.ipp")
mutant(194, "G7", "circuit_breaker", "failures count that are not in a row",
       "in_a_row_ = ⟦failed ? in_a_row_ + 1 : 0⟧;", "failed ? in_a_row_ + 1 : in_a_row_")
mutant(195, "G7", "circuit_breaker", "the circuit opens one failure late",
       "} else if (⟦as == Admitted::Probe || in_a_row_ >= policy_.failures⟧) {",
       "as == Admitted::Probe || in_a_row_ > policy_.failures")
mutant(196, "G7", "circuit_breaker", "calls from before the circuit opened close it",
       "if (⟦as == Admitted::Call && state_ != State::Closed⟧) return;", "false")
mutant(197, "G7", "circuit_breaker", "several probes go out at once", "⟦state_ = State::HalfOpen;⟧ probing_", NOTHING)
mutant(350, "G4", "circuit_breaker", "a call within the probe waits for the probe",
       "state_ == State::HalfOpen && ⟦probing_ == &of_this_thread⟧", "false")

place("include/etl/policy/circuit_breaker.hpp")
mutant(198, "G7", "circuit_breaker", "rejected items open the circuit",
       "settle(as, ⟦!result && result.error().error_class != ErrorClass::Rejected⟧, waiter.now());", "!result")

place("include/etl/impl/rate_limit.ipp")
mutant(199, "G5", "rate_limit", "nothing is ever too much", "if (⟦wait > 0⟧) return detail::after", "false")
mutant(200, "G5", "rate_limit", "a pause saves up any amount",
       "if (seconds > 0) tokens = ⟦std::min(full(rate), tokens + rate * seconds)⟧;", "tokens + rate * seconds")
mutant(201, "G5", "rate_limit", "a request that is larger than a burst waits for ever",
       "return (before + ⟦std::min(wanted, full(rate))⟧ - tokens) / rate;", "wanted")
mutant(202, "G5", "rate_limit", "bytes are not taken", "⟦bytes_ -= request.bytes;⟧", NOTHING)
mutant(337, "G5", "rate_limit", "small requests pass a large one that waits", "before.items += ⟦other->items⟧;", "0")
mutant(338, "G5", "rate_limit", "a request that has stopped waiting keeps its place",
       "const std::lock_guard lock(limiter.mutex_); ⟦limiter.leave_line(request);⟧", NOTHING)

place("include/etl/impl/retry.ipp")
mutant(203, "G5", "retry retries", "one attempt too many is made",
       "if (⟦error.error_class != ErrorClass::Transient || attempts_ >= policy_.max_attempts⟧)",
       "error.error_class != ErrorClass::Transient || attempts_ > policy_.max_attempts")
mutant(204, "G5", "retry retries", "what is not transient is tried again",
       "if (⟦error.error_class != ErrorClass::Transient || attempts_ >= policy_.max_attempts⟧)",
       "attempts_ >= policy_.max_attempts")
mutant(205, "G5", "retry waiting", "a server's retry-after is not honoured",
       "std::nano>(most * part)), ⟦error.retry_after⟧);", "std::chrono::nanoseconds(0)")
mutant(206, "G5", "retry waiting", "an attempt begins after max_elapsed",
       "if (⟦elapsed > policy_.max_elapsed || delay > policy_.max_elapsed - elapsed⟧)", "elapsed > policy_.max_elapsed")
mutant(207, "G5", "retry", "the first delay is that of the second attempt",
       "std::pow(policy_.multiplier, ⟦static_cast<double>(attempts_ - 1)⟧)", "static_cast<double>(attempts_)")
mutant(208, "G5", "retry", "delays grow without bound", "⟦static_cast<double>(policy_.max_delay.count())⟧);", "1e18")

place("include/etl/policy/retry.hpp")
mutant(209, "G10", "retry waiting", "a stop does not end the attempts",
       "if (⟦!waiter.wait_for(*delay)⟧) return failure", "(static_cast<void>(waiter.wait_for(*delay)), false)")

place("include/etl/policy/waiter.hpp")
mutant(210, "G9", "waiting", "the last save waits beyond the deadline",
       "return ⟦stop_.stop_requested() || (deadline_ != TimePoint::max() && now() >= deadline_)⟧;",
       "stop_.stop_requested()")

# --- buckets, managers ------------------------------------------------------------------------------------------------
place("include/etl/impl/bucket.ipp")
mutant(211, "G3", "bucket flushing", "the end of a bucket drops what is in it",
       "const std::lock_guard lock(parts_->finish_mutex); if (!parts_->report) "
       "⟦parts_->report = parts_->make_report();⟧",
       "parts_->batcher->control().request_abandon(); parts_->report = parts_->make_report();")
mutant(212, "G11", "bucket", "an item whose move throws is not counted",
       "const auto lock = parts_->batcher->lock(); ⟦parts_->batcher->count_refused();⟧", NOTHING)
mutant(213, "G14", "bucket", "a bucket accepts checkpoints that it does not keep",
       "refuse(⟦delivery.checkpoints != nullptr⟧,", "false")
mutant(214, "G11", "bucket", "items that are pushed while a bucket closes are lost",
       "⟦intake.seal_stragglers();⟧", NOTHING)

place("include/etl/impl/memory_budget.ipp")
mutant(215, "G2", "memory memory_budget", "a budget that is used up has room", "if (⟦used_ < limit_⟧) return true;",
       "used_ <= limit_")

place("include/etl/detail/run/manager_engine.hpp")
mutant(216, "G2", "manager", "one pipeline too many runs at once",
       "if (⟦running_ >= options_.max_concurrent⟧) return nullptr;", "running_ > options_.max_concurrent")
mutant(217, "G1", "manager", "the lowest priority comes first",
       "⟦entry->how.priority > best->how.priority⟧)", "entry->how.priority < best->how.priority")
mutant(218, "G4", "manager", "one pipeline's failure stops the others",
       "bool stop_others = ⟦options_.fail_fast && !report.ok()⟧;", "!report.ok()")
mutant(219, "G1", "manager", "a pipeline starts before what it depends on has ended",
       "return ⟦other != nullptr && other->state == PipelineState::Ended && other->report.ok()⟧;", "other != nullptr")
mutant(220, "G2", "manager", "a custom runner's unbalanced report passes",
       "if (report.outcome != Outcome::Inconsistent) ⟦check_ledgers(report);⟧", NOTHING)
mutant(221, "G14", "manager", "two pipelines keep their progress under one name",
       "if (⟦other->environment.name == kept_as⟧) throw", "false")

# --- files ------------------------------------------------------------------------------------------------------------
place("src/io/checkpoint_file.cpp", IO)
mutant(222, "G17", "checkpoint_file", "a checkpoint of another format is read",
       "if (const std::uint64_t found = in.number(); ⟦in.problem().empty() && found != format⟧)", "false")
mutant(223, "G17", "checkpoint_file", "a checkpoint of another pipeline is read",
       "if (const std::string name = in.quoted_text(); ⟦in.problem().empty() && name != pipeline⟧)", "false")
mutant(224, "G17", "checkpoint_file", "what follows the checksum is not looked at",
       "if (⟦!in.finished()⟧) in.fail", "false")
mutant(226, "G14", "checkpoint_file", "the file of a pipeline may be hidden, or its folder",
       "name += ⟦is_plain(c) && !(c == '.' && name.empty())⟧ ?", "is_plain(c)")

place("src/io/durable_file.cpp", IO)
mutant(227, "G16", "checkpoint_file files", "a file is written in its place",
       "⟦made += \".new\";⟧", NOTHING)
mutant(228, "G16", "files", "a new file is not made durable before it takes the old one's place",
       "if (code == 0) ⟦code = sync(*file);⟧", NOTHING)
mutant(229, "G16", "files", "the folder is not made durable after a file took another one's place",
       "if (code == 0) return ⟦sync_folder(folder_of(target))⟧;", DONE)
mutant(230, "G7", "dead_letter_file", "two writers of a file do not take turns", "while (⟦::flock(file.get(), LOCK_EX) != 0⟧)",
       "false")
mutant(231, "G7", "dead_letter_file", "a file is written to that has lost its name meanwhile",
       "if (⟦::stat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino && mine.st_dev == there.st_dev⟧)", "true")
mutant(292, "G17", "files checkpoint_file", "a symbolic link to a file is replaced, not the file",
       "const std::filesystem::path target = ⟦followed(path)⟧;", "path")

place("src/io/dead_letter_file.cpp", IO)
mutant(232, "G7", "files", "letters are not made durable", "if (code == 0) ⟦code = detail::sync(*file);⟧", NOTHING)
mutant(293, "G7", "files", "the name of a new file of letters is not made durable", "if (⟦durable_ == file⟧) return {};",
       "true")
mutant(294, "G7", "files dead_letter_file", "the list shows letters that their writer takes back",
       "while (⟦::flock(file->get(), LOCK_SH) != 0 && errno == EINTR⟧) {}", "false")
mutant(233, "G7", "dead_letter_file", "a letter is written after the half line of a writer that died",
       "if (auto mended = ⟦mend_end(*file, path_)⟧; !mended)", DONE)
mutant(234, "G7", "dead_letter_file", "the half line of a writer that died hides all letters",
       "if (⟦!letter && !lines.terminated()⟧) break;", "false")
mutant(235, "G7", "dead_letter_file", "letters of other pipelines are listed",
       "if (⟦!pipeline.empty() && entry.pipeline != pipeline⟧) continue;", "false")

place("src/io/dead_letter_line.cpp", IO)
mutant(236, "G7", "dead_letter_file", "a payload of any bytes is written as text",
       "const bool text = ⟦find_invalid_utf8(*letter.payload) == std::string::npos⟧;", "true")
mutant(237, "G7", "dead_letter_file", "letters of a later format are read",
       "!in.failed() && (⟦found == 0 || found > format⟧))", "false")
mutant(238, "G7", "dead_letter_file", "a member may be there twice",
       "if (⟦which == members.size() || (seen >> which & 1U) != 0⟧)", "which == members.size()")

# --- the SQLite store -------------------------------------------------------------------------------------------------
place("src/sqlite/store.cpp", SQLITE)
mutant(239, "G15", "store", "a claim does not keep the earlier run from committing",
       "update->bind(1, std::string_view(pipeline)); if (auto done = ⟦detail::run(*update)⟧; !done)", DONE)
mutant(240, "G15", "store", "a run saves over the progress of the one that has taken over",
       "if (⟦!owner->run.empty() && owner->run != checkpoint.run⟧)", "false")
mutant(241, "G15", "store", "what was saved is rolled back", "Result<void> done = ⟦transaction->commit()⟧;", DONE)
mutant(242, "G7", "store", "purge does not count what was there",
       "gone += ⟦static_cast<std::size_t>(database().changes())⟧;", "std::size_t{1}")
mutant(243, "G15", "store", "a load goes on in a transaction that SQLite has rolled back",
       "return ⟦sqlite3_get_autocommit(database_.handle()) == 0⟧; }", "true")

place("src/sqlite/store_session.cpp", SQLITE)
mutant(244, "G15", "store", "a load may commit rows without their progress",
       "return ⟦static_cast<Guard*>(guard)->open ? 1 : 0⟧; }", "0")
mutant(245, "G15", "store", "a rollback within load goes unnoticed", "⟦static_cast<Guard*>(guard)->lost = true;⟧",
       NOTHING)
mutant(246, "G15", "store", "a run commits that another one has taken over from",
       "if (auto done = ⟦refuse_superseded(commit.pipeline, commit.run)⟧; !done)", DONE)
mutant(247, "G15", "store", "rows are committed for items that are settled already",
       "if (auto done = ⟦refuse_settled(commit.pipeline, one)⟧; !done)", DONE)
mutant(248, "G15", "store", "rows are committed without what they settle",
       "if (auto done = ⟦settled(commit.pipeline, one)⟧; !done)", DONE)
mutant(249, "G15", "store", "rows are committed without their dead letters",
       "if (auto done = ⟦write_letter(statements_[Letter], letter)⟧; !done)", DONE)
mutant(250, "G14", "store", "settled ranges below the watermark pile up",
       "if (auto done = ⟦forget(statements_[Forget], commit.pipeline, one)⟧; !done)", DONE)
mutant(251, "G15", "store", "letters that a replay has loaded stay", "if (auto done = ⟦run(**purge)⟧; !done)", DONE)
mutant(252, "G3", "store", "a commit that fails leaves the transaction open", "else ⟦guard_.open = true, rollback();⟧",
       NOTHING)
mutant(296, "G15", "files store", "a commit that failed, and may have happened, counts as not done",
       "if (!done) return failure(⟦commit_error(std::move(done.error()))⟧);", "std::move(done.error())")
mutant(253, "G3", "store", "a transaction that could not begin keeps all others out",
       "!begun) { ⟦state_->gate.leave();⟧", NOTHING)
mutant(254, "G15", "store", "what a lost commit has settled below the watermark counts as not settled",
       "if (at != all->end()) ⟦there.add({0, at->second.watermark});⟧", NOTHING)
mutant(255, "G15", "store", "a range counts as settled of which the end is not",
       "return ⟦there.end_of(range.items.first) >= range.items.end⟧;", "there.contains(range.items.first)")
mutant(256, "G15", "store", "a transaction that has ended before its time is committed",
       "return ⟦guard_.open && !guard_.lost && tx_->active()⟧; }", "guard_.open")
mutant(257, "G14", "store", "the position of a transaction is not stored",
       "if (auto done = ⟦advance(statements_[Advance], commit.pipeline, one)⟧; !done)", DONE)

place("src/sqlite/store_tables.cpp", SQLITE)
mutant(258, "G17", "store", "tables of another format are used", "if (⟦*found == format || (*found == 4 && read_only)⟧) return **found;", "found->has_value()")
mutant(259, "G14", "store", "a save keeps partitions that the checkpoint does not have",
       "if (⟦checkpoint.find(partition) == nullptr⟧) others.push_back(partition);", "false")
mutant(260, "G14", "store", "a save keeps ranges that the checkpoint does not have",
       "if (auto done = ⟦for_rows(database, \"DELETE FROM etl_settled WHERE pipeline=?\", pipeline, "
       "[](const Statement&) {})⟧; !done)", DONE)
mutant(261, "G17", "store", "a reset keeps settled ranges",
       "{\"etl_checkpoints\", \"etl_partitions\", ⟦\"etl_settled\"⟧})", "\"etl_partitions\"")
mutant(262, "G14", "store", "progress whose checkpoint is missing counts as none, and all is loaded again",
       "if (⟦!checkpoint && !progress->empty()⟧) checkpoint.emplace();", "false")
mutant(263, "G6", "store", "an error of the store's own tables rejects the user's row",
       "if (⟦!done && done.error().error_class == ErrorClass::Rejected⟧)", "false")

# --- the PostgreSQL store ---------------------------------------------------------------------------------------------
place("src/postgres/store.cpp", POSTGRES)
mutant(264, "G15", "store", "a run saves over the progress of the one that has taken over",
       "if (⟦owner == checkpoint.run⟧) return std::nullopt;", "true")
mutant(265, "G15", "store", "what was saved is rolled back",
       "if (Result<void> committed = ⟦transaction->commit()⟧; !committed)", DONE)
mutant(266, "G15", "store", "a claim does not keep the earlier run from committing",
       "⟦script.claim(pipeline, run);⟧", "script.add(\"SELECT 1\");")
mutant(267, "G15", "store", "a load goes on after its transaction has ended",
       "return ⟦status == PQTRANS_INTRANS || status == PQTRANS_INERROR⟧; }", "true")

place("src/postgres/store_session.cpp", POSTGRES)
mutant(268, "G15", "store", "rows are committed for items that are settled already",
       "if (⟦all.contains(one.items.first) || all.boundary_after(one.items.first) < one.items.end⟧) return one;",
       "false")
mutant(269, "G15", "store", "rows are committed for items of which the last are settled already",
       "if (⟦all.contains(one.items.first) || all.boundary_after(one.items.first) < one.items.end⟧) return one;",
       "all.contains(one.items.first)")
mutant(270, "G14", "store", "a late transaction puts the position back",
       "if (⟦one.position_seq >= progress.position_seq⟧) {", "true")
mutant(271, "G14", "store store_run", "the watermark is set to the last item settled, whatever is missing before it",
       "progress.watermark = ⟦all.end_of(0)⟧;", "(all.empty() ? 0 : all.ranges().back().end)")
mutant(272, "G14", "store", "what is settled of one partition counts for all",
       "if (⟦one.partition != progress.partition⟧) continue; if (all.contains", "false")
mutant(273, "G15", "store", "a run commits that another one has taken over from",
       "if (⟦owner == commit.run⟧) return {};", "true")
mutant(275, "G15", "store store_run", "a commit in doubt may still happen after it was looked for",
       "Result<Transaction> begun = (*lease)->begin_with(⟦first_statements(number)⟧);",
       "\"SELECT set_config('etl.transaction', '\" + std::to_string(number) + \"', true)\"")
mutant(276, "G15", "store store_run", "a transaction whose commit is in doubt is not ended",
       "⟦in_doubt_ = open_->number;⟧", NOTHING)
mutant(295, "G3", "store store_run", "what a lost connection has left on the server stays there",
       "if (Result<void> ended = ⟦state_->left.end(**lease)⟧; !ended) return ended;", DONE)
mutant(277, "G15", "store store_run", "what a lost commit has settled below the watermark counts as not settled",
       "⟦there.gaps.add({0, there.watermark});⟧", NOTHING)
mutant(278, "G15", "store", "a range counts as settled of which the end is not",
       "return ⟦there.gaps.end_of(range.items.first) >= range.items.end⟧;", "there.gaps.contains(range.items.first)")
mutant(279, "G15", "store", "rows are committed without their dead letters",
       "for (const DeadLetter& letter : commit.dead_letters) ⟦script.letter(letter);⟧", NOTHING)
mutant(280, "G15", "store", "letters that a replay has loaded stay", "⟦script.purge(commit.purged);⟧", NOTHING)
mutant(281, "G15", "store", "rows are committed without what they settle",
       "⟦script.progress(commit.pipeline, progress);⟧", NOTHING)

place("src/postgres/store_tables.cpp", POSTGRES)
mutant(282, "G17", "store", "tables of another format are used", "if (⟦has == format⟧) return {};", "true")
mutant(283, "G5", "store store_run", "a save whose outcome is unknown is not tried again",
       "if (⟦error.code != Errc::OutcomeUnknown⟧) return error;", "true")

place("src/postgres/store_script.cpp", POSTGRES)
mutant(274, "G15", "store store_run", "another run may take over between the check and the commit",
       "⟦add(\"SELECT pg_advisory_xact_lock_shared({})\", names_->key_of(pipeline)); "
       "add(\"SELECT run FROM {} WHERE pipeline={} FOR SHARE\", names_->checkpoints, literal(pipeline));⟧",
       "add(\"SELECT run FROM {} WHERE pipeline={}\", names_->checkpoints, literal(pipeline));")
mutant(284, "G6", "store", "an error of the store's own tables rejects the user's row",
       "if (⟦!done && done.error().error_class == ErrorClass::Rejected⟧)", "false")

# --- locks, found by ThreadSanitizer ----------------------------------------------------------------------------------
place("include/etl/impl/work.ipp", ("contract_tests",))
mutant(285, "G18", "order_by_key", "the parts of a batch are added up without a lock",
       "add(const BatchLedger& part) { ⟦const std::lock_guard lock(mutex_);⟧",
       "const std::unique_lock<std::mutex> lock = MUTANT ? std::unique_lock<std::mutex>() : "
       "std::unique_lock<std::mutex>(mutex_);", races=True)
place("include/etl/detail/load/load_gate.hpp", ("contract_tests",))
mutant(286, "G18", "order concurrency", "the gate counts loads without a lock",
       "Work* leave(const Work& done) { ⟦const std::lock_guard lock(mutex_);⟧",
       "const std::unique_lock<std::mutex> lock = MUTANT ? std::unique_lock<std::mutex>() : "
       "std::unique_lock<std::mutex>(mutex_);", races=True)
place("include/etl/detail/load/rejecter.hpp", ("contract_tests",))
mutant(287, "G7", "outcomes", "on_reject is called by several workers at once",
       "⟦const std::lock_guard lock(mutex_);⟧ options_.errors.on_reject",
       "const std::unique_lock<std::mutex> lock = MUTANT ? std::unique_lock<std::mutex>() : "
       "std::unique_lock<std::mutex>(mutex_);", races=True)
place("include/etl/detail/load/stage.hpp", ("contract_tests",))
mutant(288, "G18", "order", "recycled results are taken without a lock",
       "std::unique_ptr<Work> spare_work() { ⟦const std::lock_guard lock(spare_mutex_);⟧",
       "const std::unique_lock<std::mutex> lock = MUTANT ? std::unique_lock<std::mutex>() : "
       "std::unique_lock<std::mutex>(spare_mutex_);", races=True)
place("include/etl/detail/run/runner.hpp", ("contract_tests",))
mutant(289, "G14", "concurrency order", "two extractors take partitions without a lock",
       "for (;;) { ⟦std::unique_lock lock(mutex);⟧",
       "std::unique_lock<std::mutex> lock = MUTANT ? std::unique_lock<std::mutex>(mutex, std::try_to_lock) : "
       "std::unique_lock<std::mutex>(mutex);", races=True)
place("include/etl/detail/progress/checkpointing.hpp", ("contract_tests",))
mutant(290, "G14", "dead_letters", "progress is settled without a lock",
       "items.partition = numbers_[items.partition]; { ⟦const std::lock_guard lock(mutex_);⟧",
       "const std::unique_lock<std::mutex> lock = MUTANT ? std::unique_lock<std::mutex>() : "
       "std::unique_lock<std::mutex>(mutex_);", races=True)
place("include/etl/detail/intake/lane.hpp", ("contract_tests",))
mutant(291, "G12", "concurrency", "the timer may see an item's number before the item",
       "std::forward<U>(item)); ⟦lane.count.store(n + 1, std::memory_order_release);⟧ return true; } if constexpr",
       "lane.count.store(n + 1, std::memory_order_relaxed);", races=True)

# --- replays of items of which some results are loaded ----------------------------------------------------------------
place("include/etl/impl/work.ipp", ("unit_tests",))
mutant(317, "G7", "replay", "a letter does not know which results of its item are loaded",
       "if (⟦fates_[i] == Fate::Committed⟧) letter.loaded.add({i - first, i - first + 1});", "false")
mutant(318, "G7", "replay", "a replay loads a result that is loaded",
       "if (⟦!letter.loaded.contains(i - first)⟧) kept.push_back(i);", "true")
mutant(319, "G7", "replay", "another number of results is taken for the same results",
       "else if (⟦letter.results > 0 && letter.results != end - first⟧) {", "false")
place("include/etl/impl/replay.ipp", ("unit_tests",))
mutant(320, "G7", "replay", "what a replay has loaded of a half loaded item is forgotten",
       "} else if (⟦!now.loaded.empty()⟧) {", "false")
mutant(321, "G7", "replay", "the numbers of a replay's results are taken for those of the item",
       "if (⟦!before.contains(result) && now.loaded.contains(tried++)⟧) old.loaded", "now.loaded.contains(result)")
mutant(322, "G16", "replay", "a resumed run changes the key of a replay",
       "return letter.id + ' ' + std::to_string(⟦letter.replays⟧);", "letter.attempts")
place("include/etl/detail/load/loading.hpp", ("contract_tests", "unit_tests"))
mutant(323, "G10", "waiting", "a session that waits for a connection hears of no stop",
       "⟦session->stop_waiting_on(control_.dead_stop());⟧", NOTHING)
mutant(324, "G7", "attempts replay", "the attempts at other results count as attempts at an item",
       "⟦++part.tried;⟧", "part.tried = work.attempts;")

# --- what sinks wait for, keys of data and of parts, services that take batches ----------------------------------------
place("include/etl/detail/load/loading.hpp", ("contract_tests",))
mutant(325, "G4", "waiting", "a failure elsewhere does not end the wait for a connection",
       ".waits = ⟦&control_.dead_stop()⟧,", "&control_.user_stop()")
place("include/etl/detail/dispatch/scheduler.hpp", ("contract_tests",))
mutant(326, "G4", "waiting", "a thread that waits is not told of the batches that are left to it",
       "idle_tasks_.push_back(&task); ⟦tell_helpers();⟧", NOTHING)
place("include/etl/detail/progress/checkpointing.hpp", ("contract_tests",))
mutant(327, "G16", "keys", "other data under the same name has the same keys",
       "return ⟦options_.delivery.incremental⟧ ? std::string_view()", "true")
place("include/etl/detail/load/rejecter.hpp", ("contract_tests",))
mutant(329, "G7", "keys", "letters of different data are one letter", "if (⟦!data.empty()⟧) hash.add(data);", "false")
place("src/http/sink.cpp", ("http_tests",))
mutant(330, "G2", "rest", "a redirect drops the body of a batch", "⟦request.may_become_get = false;⟧", NOTHING)
mutant(331, "G5", "rest", "without a key a batch is sent twice over a kept connection",
       "request.repeatable = ⟦!key.empty()⟧;", "true")
mutant(332, "G5", "rest", "without a key a gateway's answer counts as the service's",
       "if (⟦key.empty() && (response->status == 502 || response->status == 504)⟧)", "false")
mutant(333, "G6", "rest", "a refused part rejects what is stored", "context, key); !sent) return sent; return ⟦send_rest(items, middle, end, context, key)⟧;",
       "send_part(items, middle, end, context, key)")
mutant(334, "G16", "rest", "parts have keys that the library does not give them",
       "return ⟦keys->of(first, end).text()⟧;", "key + std::to_string(first)")
mutant(335, "G16", "rest", "with a key a conflict is taken for a refusal",
       "if (⟦response->status == 409 && !key.empty() && !state.options.conflict_rejects⟧)", "false")
mutant(336, "G16", "rest", "an attempt after a part that was too large sends the whole batch",
       "if (⟦state.was_too_large(key, {first, end})⟧) return send_halves", "false")
mutant(343, "G16", "rest", "a redirect to another host drops the key",
       "⟦request.public_header = state.options.key_header;⟧", NOTHING)

# --- who tells whom, and what names a letter -------------------------------------------------------------------------------
place("include/etl/detail/dispatch/scheduler.hpp", ("contract_tests",))
mutant(339, "G3", "waiting", "an extractor that has run a batch tells no other of those that it leaves",
       "unless it waits elsewhere ⟦tell_helpers();⟧", NOTHING)
place("include/etl/detail/load/loading.hpp", ("contract_tests",))
mutant(340, "G16", "keys", "the key of a replay depends on the data of the day",
       "hash.add(progress_->pipeline()).add(⟦progress_->item_id(work.batch->first_seq)⟧);",
       "progress_->item_id(work.batch->first_seq) + progress_->fingerprint()")
place("include/etl/detail/dispatch/scheduler.hpp", ("contract_tests",))
mutant(341, "G10", "waiting", "a thread that cuts several batches tells nobody of the later ones",
       "else wake_worker(lock); ⟦tell_helpers();⟧", NOTHING)
mutant(342, "G10", "waiting", "only the end of a run helps", "if (runnable() && ⟦helpers_ > 0⟧) notify();",
       "waiting_for_end_ > 0")
place("include/etl/impl/rate_limit.ipp", ("unit_tests",))
mutant(344, "G5", "rate_limit", "a load within the wait of another waits for it",
       "if (⟦other->caller == request.caller || waits_for_its_caller(*other)⟧) continue;", "false")
