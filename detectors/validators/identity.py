"""Validators of personal and company numbers by name. The checksums are python-stdnum's where it has them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from stdnum.al import nipt
from stdnum.ar import cbu, cuit
from stdnum.at import tin as at_tin
from stdnum.at import uid as at_uid
from stdnum.at import vnr
from stdnum.au import abn, acn
from stdnum.az import voen
from stdnum.be import bis, nn
from stdnum.be import eid as be_eid
from stdnum.be import vat as be_vat
from stdnum.bg import egn, pnf
from stdnum.bg import vat as bg_vat
from stdnum.br import cnpj, cpf
from stdnum.by import unp
from stdnum.ca import bc_phn as ca_bc_phn
from stdnum.ca import bn, sin
from stdnum.ch import ssn as ch_ssn
from stdnum.ch import uid as ch_uid
from stdnum.cl import rut
from stdnum.cn import uscc
from stdnum.co import nit
from stdnum.cy import vat as cy_vat
from stdnum.cz import bankaccount as cz_account
from stdnum.cz import dic as cz_dic
from stdnum.cz import rc
from stdnum.de import idnr, stnr
from stdnum.de import vat as de_vat
from stdnum.dk import cpr, cvr
from stdnum.do import cedula, rnc
from stdnum.ec import ci
from stdnum.ec import ruc as ec_ruc
from stdnum.ee import ik, kmkr, registrikood
from stdnum.eg import tn as eg_tn
from stdnum.es import ccc, cif, dni, nie
from stdnum.es import nif as es_nif
from stdnum.eu import vat
from stdnum.fi import veronumero, ytunnus
from stdnum.fr import nif, nir, siren, siret
from stdnum.fr import tva as fr_tva
from stdnum.gb import nhs
from stdnum.gb import vat as uk_vat
from stdnum.gh import tin as gh_tin
from stdnum.gr import amka
from stdnum.gr import vat as gr_vat
from stdnum.gt import nit as gt_nit
from stdnum.hr import oib
from stdnum.hu import anum
from stdnum.id import nik, npwp
from stdnum.ie import pps
from stdnum.ie import vat as ie_vat
from stdnum.il import idnr as il_idnr
from stdnum.in_ import epic, gstin, pan, vid
from stdnum.is_ import kennitala
from stdnum.it import codicefiscale, iva
from stdnum.jp import cn as jp_cn
from stdnum.jp import in_ as jp_in
from stdnum.ke import pin as ke_pin
from stdnum.kr import brn
from stdnum.lt import asmens, pvm
from stdnum.lu import tva as lu_tva
from stdnum.ma import ice
from stdnum.md import idno
from stdnum.me import pib as me_pib
from stdnum.mk import edb
from stdnum.mt import vat as mt_vat
from stdnum.mx import curp, rfc
from stdnum.my import nric
from stdnum.mz import nuit
from stdnum.nl import bsn, btw, identiteitskaartnummer, onderwijsnummer
from stdnum.no import fodselsnummer, kontonr
from stdnum.no import orgnr as no_orgnr
from stdnum.nz import bankaccount as nz_account
from stdnum.nz import ird
from stdnum.pe import cui as pe_cui
from stdnum.pe import ruc
from stdnum.pk import cnic
from stdnum.pl import nip, pesel, regon
from stdnum.pt import cc as pt_cc
from stdnum.pt import nif as pt_nif
from stdnum.py import ruc as py_ruc
from stdnum.ro import cnp, cui
from stdnum.rs import pib
from stdnum.ru import inn, ogrn
from stdnum.se import orgnr, personnummer
from stdnum.se import vat as se_vat
from stdnum.sg import uen
from stdnum.si import ddv, emso, maticna
from stdnum.sk import dph
from stdnum.sv import nit as sv_nit
from stdnum.th import moa, pin
from stdnum.tn import mf
from stdnum.tr import tckimlik, vkn
from stdnum.tw import ubn
from stdnum.ua import edrpou, rntrc
from stdnum.us import ein, itin
from stdnum.uy import rut as uy_rut
from stdnum.ve import rif
from stdnum.vn import mst
from stdnum.za import idnr as za_idnr
from stdnum.za import tin as za_tin

from detectors.validators.documents import (
    de_id_card,
    icao_document,
    machine_readable,
    pl_identity_card,
    plate,
    uk_driving_licence,
    vin,
)
from detectors.validators.national import (
    Validator,
    au_medicare,
    au_tfn,
    checked,
    cn_resident_id,
    de_kvnr,
    de_lanr,
    de_svnr,
    eg_national_id,
    es_nuss,
    fi_hetu,
    hk_id,
    hu_company,
    hu_taj,
    hu_tax_id,
    in_aadhaar,
    in_voter_or_passport,
    ir_national_id,
    kr_rrn,
    latam_account,
    lu_matricule,
    luhn_id,
    luhn_ten,
    lv_personal_code,
    nz_nhi,
    pl_pesel_checksum,
    pt_niss,
    ru_snils,
    se_personal_number,
    sg_nric,
    tw_id,
    uk_nino,
    uk_utr,
    us_dea,
    us_mbi,
    us_npi,
    us_ssn,
    us_ssn_said,
    us_ssns,
    vn_cccd,
)

_CHECKED: dict[str, Validator] = {
    "al_nipt": checked(nipt),
    "ar_cbu": checked(cbu),
    "ar_cuit": checked(cuit),
    "at_tin": checked(at_tin),
    "at_uid": checked(at_uid),
    "at_vnr": checked(vnr),
    "au_abn": checked(abn),
    "au_acn": checked(acn),
    "au_medicare": au_medicare,
    "au_tfn": au_tfn,
    "az_voen": checked(voen),
    "be_eid": checked(be_eid),
    "be_nn": checked(nn, bis),
    "be_vat": checked(be_vat),
    "bg_egn": checked(egn),
    "bg_pnf": checked(pnf),
    "bg_vat": checked(bg_vat),
    "br_cnpj": checked(cnpj),
    "br_cpf": checked(cpf),
    "by_unp": checked(unp),
    "ca_bc_phn": checked(ca_bc_phn),
    "ca_bn": checked(bn),
    "ca_sin": checked(sin),
    "ch_ahv": checked(ch_ssn),
    "ch_uid": checked(ch_uid),
    "cl_rut": checked(rut),
    "cn_ric": cn_resident_id,
    "cn_uscc": checked(uscc),
    "co_nit": checked(nit),
    "cy_vat": checked(cy_vat),
    "cz_account": checked(cz_account),
    "cz_dic": checked(cz_dic),
    "cz_rc": checked(rc),
    "de_id_card": de_id_card,
    "de_kvnr": de_kvnr,
    "de_lanr": de_lanr,
    "de_stnr": checked(stnr),
    "de_svnr": de_svnr,
    "de_tax_id": checked(idnr),
    "de_vat": checked(de_vat),
    "dk_cpr": checked(cpr),
    "dk_cvr": checked(cvr),
    "do_number": checked(cedula, rnc),
    "ec_ci": checked(ci),
    "ec_number": checked(ci, ec_ruc),
    "ee_ik": checked(ik),
    "ee_kmkr": checked(kmkr),
    "ee_register": checked(registrikood),
    "eg_national_id": eg_national_id,
    "eg_tn": checked(eg_tn),
    "es_ccc": checked(ccc),
    "es_cif": checked(cif),
    "es_dni": checked(dni),
    "es_nie": checked(nie, es_nif),
    "es_nuss": es_nuss,
    "eu_vat": checked(vat),
    "fi_hetu": fi_hetu,
    "fi_veronumero": checked(veronumero),
    "fi_ytunnus": checked(ytunnus),
    "fr_nif": checked(nif),
    "fr_nir": checked(nir),
    "fr_siren": checked(siren),
    "fr_siret": checked(siret),
    "fr_tva": checked(fr_tva),
    "gh_tin": checked(gh_tin),
    "gr_amka": checked(amka),
    "gr_vat": checked(gr_vat),
    "gt_nit": checked(gt_nit),
    "hk_id": hk_id,
    "hr_oib": checked(oib),
    "hu_anum": checked(anum),
    "hu_company": hu_company,
    "hu_taj": hu_taj,
    "hu_tax_id": hu_tax_id,
    "icao_document": icao_document,
    "id_nik": checked(nik),
    "id_npwp": checked(npwp),
    "ie_pps": checked(pps),
    "ie_vat": checked(ie_vat),
    "il_id": checked(il_idnr),
    "in_aadhaar": in_aadhaar,
    "in_epic": checked(epic),
    "in_gstin": checked(gstin),
    "in_pan": checked(pan),
    "in_vid": checked(vid),
    "in_voter_or_passport": in_voter_or_passport,
    "ir_national_id": ir_national_id,
    "is_kennitala": checked(kennitala),
    "it_fiscal_code": checked(codicefiscale),
    "it_iva": checked(iva),
    "jp_corporate": checked(jp_cn),
    "jp_my_number": checked(jp_in),
    "ke_pin": checked(ke_pin),
    "kr_brn": checked(brn),
    "kr_rrn": kr_rrn,
    "latam_account": latam_account,
    "lt_asmens": checked(asmens),
    "lt_pvm": checked(pvm),
    "lu_matricule": lu_matricule,
    "lu_tva": checked(lu_tva),
    "luhn_id": luhn_id,
    "luhn_ten": luhn_ten,
    "lv_personal_code": lv_personal_code,
    "ma_ice": checked(ice),
    "machine_readable": machine_readable,
    "md_idno": checked(idno),
    "mk_edb": checked(edb),
    "mt_vat": checked(mt_vat),
    "mx_curp": checked(curp),
    "mx_rfc": checked(rfc),
    "my_nric": checked(nric),
    "mz_nuit": checked(nuit),
    "nl_bsn": checked(bsn, onderwijsnummer),
    "nl_btw": checked(btw),
    "nl_id_card": checked(identiteitskaartnummer),
    "no_fodselsnummer": checked(fodselsnummer),
    "no_kontonr": checked(kontonr),
    "no_orgnr": checked(no_orgnr),
    "nz_account": checked(nz_account),
    "nz_ird": checked(ird),
    "nz_nhi": nz_nhi,
    "pe_cui": checked(pe_cui),
    "pe_ruc": checked(ruc),
    "pk_cnic": checked(cnic),
    "pl_identity_card": pl_identity_card,
    "pl_nip": checked(nip),
    "pl_pesel": checked(pesel),
    "pl_pesel_checksum": pl_pesel_checksum,
    "pl_regon": checked(regon),
    "plate": plate,
    "pt_cc": checked(pt_cc),
    "pt_nif": checked(pt_nif),
    "pt_niss": pt_niss,
    "py_ruc": checked(py_ruc),
    "ro_cnp": checked(cnp),
    "ro_cui": checked(cui),
    "rs_pib": checked(pib, me_pib),
    "ru_inn": checked(inn),
    "ru_ogrn": checked(ogrn),
    "ru_snils": ru_snils,
    "se_orgnr": checked(orgnr),
    "se_personal_number": se_personal_number,
    "se_personnummer": checked(personnummer),
    "se_vat": checked(se_vat),
    "sg_nric": sg_nric,
    "sg_uen": checked(uen),
    "si_ddv": checked(ddv),
    "si_emso": checked(emso),
    "si_maticna": checked(maticna),
    "sk_dph": checked(dph),
    "sv_nit": checked(sv_nit),
    "th_pin": checked(pin, moa),
    "tn_mf": checked(mf),
    "tr_tckn": checked(tckimlik),
    "tr_vkn": checked(vkn),
    "tw_id": tw_id,
    "tw_ubn": checked(ubn),
    "ua_number": checked(rntrc, edrpou),
    "ua_rntrc": checked(rntrc),
    "uk_driving_licence": uk_driving_licence,
    "uk_nhs": checked(nhs),
    "uk_nino": uk_nino,
    "uk_utr": uk_utr,
    "uk_vat": checked(uk_vat),
    "us_dea": us_dea,
    "us_ein": checked(ein),
    "us_itin": checked(itin),
    "us_mbi": us_mbi,
    "us_npi": us_npi,
    "us_ssn": us_ssn,
    "us_ssn_said": us_ssn_said,
    "us_ssns": us_ssns,
    "uy_rut": checked(uy_rut),
    "ve_rif": checked(rif),
    "vin": vin,
    "vn_cccd": vn_cccd,
    "vn_mst": checked(mst),
    "za_id": checked(za_idnr),
    "za_tin": checked(za_tin),
}

_PERSONS = """
    at_vnr be_nn bg_egn bg_pnf br_cpf ca_sin ch_ahv cl_rut cn_ric cz_rc de_svnr dk_cpr do_number ec_ci ee_ik
    eg_national_id es_dni es_nie es_nuss fi_hetu fr_nir gr_amka hk_id hr_oib hu_taj id_nik il_id in_aadhaar
    ir_national_id is_kennitala it_fiscal_code jp_my_number kr_rrn lt_asmens lu_matricule luhn_ten
    lv_personal_code md_idno mx_curp my_nric nl_bsn no_fodselsnummer pk_cnic pl_pesel pt_cc ro_cnp ru_snils
    se_personal_number sg_nric si_emso th_pin tr_tckn tw_id uk_nhs uk_nino vn_cccd za_id
""".split()
_TAXES = """
    ar_cuit at_tin au_abn au_tfn az_voen be_vat bg_vat br_cnpj br_cpf by_unp ca_bn ca_sin ch_uid cl_rut cn_uscc
    co_nit cy_vat cz_dic de_stnr de_tax_id de_vat dk_cvr ec_number ee_kmkr eg_tn es_cif es_dni es_nie eu_vat
    fi_ytunnus fr_nif fr_siren fr_siret fr_tva gr_vat hr_oib hu_company hu_tax_id id_npwp ie_pps ie_vat in_gstin
    in_pan it_fiscal_code it_iva ke_pin kr_brn lt_pvm lu_tva lv_personal_code mk_edb mt_vat mx_rfc mz_nuit
    nl_bsn nl_btw no_orgnr nz_ird pe_ruc pl_nip pt_nif py_ruc ro_cnp ro_cui rs_pib ru_inn se_orgnr
    se_personal_number se_vat sg_uen si_ddv sk_dph sv_nit th_pin tr_tckn tr_vkn tw_ubn ua_number uk_utr uk_vat
    us_ein us_itin us_ssn_said uy_rut ve_rif vn_mst za_tin
""".split()


_WRITTEN = {
    name: re.compile(form)
    for name, form in {
        "de_stnr": rb"\d{2,3}[ /]\d{3,4}[ /]\d{4,5}",
        "eg_tn": rb"\d{3}-\d{3}-\d{3}",
        "kr_brn": rb"\d{3}-\d{2}-\d{5}",
        "pk_cnic": rb"\d{5}-\d{7}-\d",
        "pt_cc": rb"\d{8}[ ]?\d[ ]?[A-Z]{2}\d",
    }.items()
}
"""Kinds without a check digit, or next to none: where no country is named, any digits would do, so they count as they
are usually written."""
_SSN_WRITTEN = re.compile(rb"\d{3}[ -]\d{2}[ -]\d{4}")


def person_number(secret: bytes) -> bool:
    """A number that some country gives a person, by its check: for a field that says so and not of which country."""
    return any(_one_of(name, secret) for name in _PERSONS) or (
        _SSN_WRITTEN.fullmatch(secret) is not None and us_ssn_said(secret)
    )


def tax_number(secret: bytes) -> bool:
    """A tax number of a person or a company of some country, by its check, or of the United States by its structure."""
    return any(_one_of(name, secret) for name in _TAXES)


def _one_of(name: str, secret: bytes) -> bool:
    written = _WRITTEN.get(name)
    return (written is None or written.fullmatch(secret) is not None) and _CHECKED[name](secret)


VALIDATORS: Mapping[str, Validator] = {**_CHECKED, "person_number": person_number, "tax_number": tax_number}
