/** Commits in one partition of the log: what is trimmed is dropped as a whole. */
export const PARTITION_COMMITS = 65_536;

/**
 * Makes the partition that this position falls into, and the one after it. A table is made beside the
 * log and attached, which takes no lock that a reader of the log holds or waits for: to make it as a
 * partition would wait for every open transaction that has read the log.
 */
export const EXTEND_FUNCTION = `
CREATE FUNCTION holdfast_extend_log(upto bigint) RETURNS void LANGUAGE plpgsql
  SECURITY DEFINER AS $holdfast$
DECLARE
  name text;
BEGIN
  IF NOT has_table_privilege(session_user, 'holdfast_changes', 'INSERT') THEN
    RAISE insufficient_privilege USING MESSAGE = 'permission denied for table holdfast_changes';
  END IF;
  FOR part IN upto / ${PARTITION_COMMITS} .. upto / ${PARTITION_COMMITS} + 1 LOOP
    name := 'holdfast_changes_' || part;
    CONTINUE WHEN to_regclass(name) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE holdfast_changes INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE holdfast_changes ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
      name, part * ${PARTITION_COMMITS}, (part + 1) * ${PARTITION_COMMITS});
  END LOOP;
END $holdfast$;
SELECT holdfast_extend_log(0);`;

/** Removes a partition of the log. */
export const DROP_FUNCTION = `
CREATE FUNCTION holdfast_drop_log(part bigint) RETURNS void LANGUAGE plpgsql
  SECURITY DEFINER AS $holdfast$
BEGIN
  IF NOT has_table_privilege(session_user, 'holdfast_changes', 'DELETE') THEN
    RAISE insufficient_privilege USING MESSAGE = 'permission denied for table holdfast_changes';
  END IF;
  EXECUTE format('DROP TABLE %I', 'holdfast_changes_' || part);
END $holdfast$;`;

/**
 * Both act as the owner of the tables, for roles that may read and write rows and no more. They look
 * in the schema of the tables alone, whatever path their caller has.
 */
export const FIXED_PATHS = `
DO $holdfast$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['holdfast_extend_log', 'holdfast_drop_log'] LOOP
    EXECUTE format('ALTER FUNCTION %I(bigint) SET search_path = %I, pg_temp', name, current_schema());
  END LOOP;
END $holdfast$;`;
