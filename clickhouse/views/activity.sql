-- Whatever a subscriber did: one row an event of the five facts, under the columns that they share.
create or replace view gold.activity as
select * from gold.activity_calls
union all
select * from gold.activity_sms
union all
select * from gold.activity_payment
union all
select * from gold.activity_recharge
union all
select * from gold.activity_support
