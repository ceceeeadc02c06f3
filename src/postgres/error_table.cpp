// The meaning of each SQLSTATE.
#include <algorithm>
#include <array>

#include <etl/postgres/error_table.hpp>

namespace etl::inline v0::postgres {
namespace {

using enum ErrorClass;
/// The first match counts.
constexpr std::array meanings = {
    StateMeaning{"08001", Concern::Connection, Transient, "unable to establish connection",
                 "is the server running, and does it listen on this host and port?"},
    StateMeaning{
        "08P01", Concern::File, Fatal, "protocol violation",
        "the columns' types may differ from the mapping's, or something between client and server is not PostgreSQL"},
    StateMeaning{"08", Concern::Connection, Transient, "connection exception", ""},
    StateMeaning{"00", Concern::File, Fatal, "successful completion", ""},
    StateMeaning{"01", Concern::File, Fatal, "warning", ""},
    StateMeaning{"02", Concern::File, Fatal, "no data", ""},
    StateMeaning{"03", Concern::File, Fatal, "SQL statement not yet complete", ""},
    StateMeaning{"09", Concern::Row, Rejected, "triggered action exception", ""},
    StateMeaning{"0A", Concern::File, Fatal, "feature not supported", ""},
    StateMeaning{"0B", Concern::File, Fatal, "invalid transaction initiation", ""},
    StateMeaning{"0F", Concern::File, Fatal, "locator exception", ""},
    StateMeaning{"0L", Concern::File, Fatal, "invalid grantor", ""},
    StateMeaning{"0P", Concern::File, Fatal, "invalid role specification", ""},
    StateMeaning{"0Z", Concern::Row, Rejected, "diagnostics exception", ""},
    StateMeaning{"10", Concern::Row, Rejected, "XQuery error", ""},
    StateMeaning{"20", Concern::Row, Rejected, "case not found", ""},
    StateMeaning{"21", Concern::Row, Rejected, "cardinality violation", ""},
    StateMeaning{"22P03", Concern::File, Fatal, "invalid binary representation",
                 "the columns' types differ from the mapping's"},
    StateMeaning{"22P04", Concern::File, Fatal, "bad COPY file format", "the columns' types differ from the mapping's"},
    StateMeaning{"22", Concern::Row, Rejected, "data exception", ""},
    StateMeaning{"23", Concern::Row, Rejected, "integrity constraint violation", ""},
    StateMeaning{"24", Concern::File, Fatal, "invalid cursor state", ""},
    StateMeaning{"25P02", Concern::File, Fatal, "in failed transaction",
                 "an earlier statement of this transaction failed: roll back first"},
    StateMeaning{"25P03", Concern::Connection, Transient, "idle in transaction session timeout", ""},
    StateMeaning{"25006", Concern::File, Fatal, "read only transaction",
                 "a query that reads on this connection has begun a transaction that only reads: write on another "
                 "connection, or begin a transaction before the query. Or this server is a standby: "
                 "target_session_attrs=read-write in the URL finds the primary"},
    StateMeaning{"25", Concern::File, Fatal, "invalid transaction state", ""},
    StateMeaning{"26", Concern::File, Fatal, "invalid SQL statement name", ""},
    StateMeaning{"27", Concern::Row, Rejected, "triggered data change violation", ""},
    StateMeaning{"28P01", Concern::Server, Fatal, "invalid password",
                 "check user and password (URL, PGPASSWORD or ~/.pgpass)"},
    StateMeaning{"28", Concern::Server, Fatal, "invalid authorization", "check the user and the server's pg_hba.conf"},
    StateMeaning{"2B", Concern::File, Fatal, "dependent privilege descriptors still exist", ""},
    StateMeaning{"2D", Concern::File, Fatal, "invalid transaction termination", ""},
    StateMeaning{"2F", Concern::Row, Rejected, "SQL routine exception", ""},
    StateMeaning{"34", Concern::File, Fatal, "invalid cursor name", ""},
    StateMeaning{"38", Concern::Row, Rejected, "external routine exception", ""},
    StateMeaning{"39", Concern::Row, Rejected, "external routine invocation exception", ""},
    StateMeaning{"3B", Concern::File, Fatal, "savepoint exception", ""},
    StateMeaning{"3D000", Concern::Server, Fatal, "invalid catalog name",
                 "create it with createdb, or check the database's name in the URL"},
    StateMeaning{"3F000", Concern::File, Fatal, "invalid schema name",
                 "create it with CREATE SCHEMA, or check its name"},
    StateMeaning{"40", Concern::Connection, Transient, "transaction rollback", "the transaction can be run again"},
    StateMeaning{"42501", Concern::File, Fatal, "insufficient privilege", "GRANT what is missing to this user"},
    StateMeaning{"42P01", Concern::File, Fatal, "undefined table", "create it, or name its schema: \"schema.table\""},
    StateMeaning{"42703", Concern::File, Fatal, "undefined column", "the table has other columns than the mapping"},
    StateMeaning{"42809", Concern::File, Fatal, "wrong object type", "name a table, or a view that takes rows"},
    StateMeaning{"42P10", Concern::File, Fatal, "invalid column reference",
                 "the key columns need a primary key or a unique index of exactly these columns"},
    StateMeaning{"42", Concern::File, Fatal, "syntax error or access rule violation", ""},
    StateMeaning{"44", Concern::Row, Rejected, "with check option violation", ""},
    StateMeaning{"53100", Concern::Server, Fatal, "disk full",
                 "the disk is full; nothing of this transaction is stored"},
    StateMeaning{"53200", Concern::Server, Transient, "out of memory", ""},
    StateMeaning{"53300", Concern::Server, Transient, "too many connections",
                 "use fewer connections, or raise max_connections"},
    StateMeaning{"53", Concern::Server, Fatal, "insufficient resources", ""},
    StateMeaning{"54011", Concern::File, Fatal, "too many columns", ""},
    StateMeaning{"54023", Concern::File, Fatal, "too many arguments", ""},
    StateMeaning{"54", Concern::Row, Rejected, "program limit exceeded", ""},
    StateMeaning{"55006", Concern::Connection, Transient, "object in use", ""},
    StateMeaning{"55P03", Concern::Connection, Transient, "lock not available",
                 "another transaction held the lock for longer than lock_timeout"},
    StateMeaning{"55", Concern::File, Fatal, "object not in prerequisite state", ""},
    StateMeaning{"57014", Concern::Connection, Transient, "query canceled",
                 "it was cancelled, or took longer than statement_timeout"},
    StateMeaning{"57P01", Concern::Connection, Transient, "admin shutdown", ""},
    StateMeaning{"57P02", Concern::Connection, Transient, "crash shutdown", ""},
    StateMeaning{"57P03", Concern::Connection, Transient, "cannot connect now", "the server is starting or stopping"},
    StateMeaning{"57P04", Concern::Server, Fatal, "database dropped", ""},
    StateMeaning{"57P05", Concern::Connection, Transient, "idle session timeout", ""},
    StateMeaning{"57", Concern::Server, Fatal, "operator intervention", ""},
    StateMeaning{"58", Concern::Server, Fatal, "system error", ""},
    StateMeaning{"72", Concern::Connection, Transient, "snapshot too old", ""},
    StateMeaning{"F0", Concern::Server, Fatal, "configuration file error", ""},
    StateMeaning{"HV00N", Concern::Connection, Transient, "unable to establish connection", ""},
    StateMeaning{"HV", Concern::File, Fatal, "foreign data wrapper error", ""},
    StateMeaning{"P0", Concern::Row, Rejected, "PL/pgSQL error", ""},
    StateMeaning{"XX", Concern::Server, Fatal, "internal error", ""},
};

}  // namespace

std::span<const StateMeaning> state_meanings() noexcept { return meanings; }

StateMeaning meaning_of(std::string_view state) noexcept {
  const auto* const found =
      std::ranges::find_if(meanings, [&](const StateMeaning& one) { return state.starts_with(one.state); });
  if (found != meanings.end()) return *found;
  const char first = state.empty() ? '0' : state.front();
  const bool is_own = (first >= '5' && first <= '9') || (first >= 'I' && first <= 'Z');
  if (is_own) return {"", Concern::Row, Rejected, "raised by a trigger or function", ""};
  return {"", Concern::File, Fatal, "unknown", ""};
}

std::string_view to_string(Concern concern) noexcept {
  switch (concern) {
    case Concern::Row: return "row";
    case Concern::File: return "file";
    case Concern::Connection: return "connection";
    case Concern::Server: break;
  }
  return "server";
}

}  // namespace etl::inline v0::postgres
