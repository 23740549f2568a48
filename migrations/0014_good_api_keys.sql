-- How many of an organization's keys are neither revoked nor past their end, counted to `most` and no further.
CREATE INDEX api_key_hashes_by_end ON api_key_hashes (org_id, (COALESCE(expires_at, 'infinity')))
    WHERE revoked_at IS NULL;

CREATE FUNCTION count_good_api_keys(its_org uuid, moment timestamptz, most integer)
    RETURNS integer
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT count(*)::integer
      FROM (SELECT FROM public.api_key_hashes k
             WHERE k.org_id = its_org AND k.revoked_at IS NULL AND COALESCE(k.expires_at, 'infinity') > moment
               AND public.is_in_scope(its_org)
             LIMIT most) AS good
$$;

REVOKE EXECUTE ON FUNCTION count_good_api_keys(uuid, timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION count_good_api_keys(uuid, timestamptz, integer) TO sessionary_app, sessionary_system;
